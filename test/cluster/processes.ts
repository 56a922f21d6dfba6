// The cluster's long-running processes. There are no pid files to go stale: every process carries a mark in its
// environment, and /proc tells which are there. A changed command line or configuration means a restart.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { shortHash } from "./cache.ts";
import { ClusterError } from "./errors.ts";
import { logPath, stateRoot, statePath } from "./paths.ts";
import { type Run, until } from "./run.ts";
import { systemPath } from "./settings.ts";

export const processNames = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "containerd",
  "kubelet",
  "kube-proxy",
  "coredns",
  "minio",
  "agent",
] as const;

export type ProcessName = (typeof processNames)[number];

export interface ProcessSpec {
  readonly name: ProcessName;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Text of configuration files that the process reads once, when it starts. */
  readonly configuration?: string;
}

export interface FoundProcess {
  readonly pid: number;
  readonly name: string;
  readonly specHash: string;
  /** The process itself, not one that it started (a container's shim, say) and that inherited its environment. */
  readonly isMain: boolean;
  /** Stopped by a signal, as a test does to build up a backlog. */
  readonly isStopped: boolean;
}

const marks = { state: "HOLDFAST_CLUSTER", name: "HOLDFAST_CLUSTER_PROCESS", spec: "HOLDFAST_CLUSTER_SPEC" } as const;

/** Fields of /proc/<pid>/stat after the program's name, which may hold anything: state, ppid, pgrp, session (proc(5)). */
export const readStat = async (
  pid: number,
): Promise<{ state: string; parent: number; session: number } | undefined> => {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields?.[0] === undefined) return undefined;
  return { state: fields[0], parent: Number(fields[1]), session: Number(fields[3]) };
};

export const allPids = async (): Promise<number[]> =>
  (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);

const inspect = async (pid: number): Promise<FoundProcess | undefined> => {
  const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  if (!environment.includes(`${marks.state}=${stateRoot}\0`)) return undefined;
  const variable = (name: string): string =>
    environment
      .split("\0")
      .find((v) => v.startsWith(`${name}=`))
      ?.slice(name.length + 1) ?? "";
  const stat = await readStat(pid);
  if (stat === undefined || stat.state === "Z") return undefined;
  const isMain = stat.session === pid;
  return { pid, name: variable(marks.name), specHash: variable(marks.spec), isMain, isStopped: stat.state === "T" };
};

/** All living processes of the cluster and those that they started, but not what runs inside containers. */
export const findProcesses = async (): Promise<FoundProcess[]> => {
  const found = await Promise.all((await allPids()).map(inspect));
  return found.filter((process) => process !== undefined);
};

/** Process id of a running component; a test may signal it. */
export const findProcess = async (name: ProcessName): Promise<FoundProcess | undefined> =>
  (await findProcesses()).find((process) => process.name === name && process.isMain);

export const signalProcess = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
};

/** Ends processes: politely, then after `graceMs` for good. */
export const endProcesses = async (pids: readonly number[], run: Run, graceMs = 5000): Promise<void> => {
  const living = async (): Promise<number[]> => {
    const stats = await Promise.all(pids.map(readStat));
    return pids.filter((_, index) => stats[index] !== undefined && stats[index].state !== "Z");
  };
  const allGone = async (): Promise<boolean> => (await living()).length === 0;
  const wait = (timeoutMs: number) =>
    until("processes to end", allGone, { signal: run.signal, timeoutMs, intervalMs: 30 });
  for (const pid of pids) {
    signalProcess(pid, "SIGTERM");
    // A stopped process would not see the request.
    signalProcess(pid, "SIGCONT");
  }
  await wait(graceMs).catch(async () => {
    run.signal.throwIfAborted();
    for (const pid of await living()) signalProcess(pid, "SIGKILL");
    await wait(10_000);
  });
};

export const lastLogLines = async (name: ProcessName, count = 20): Promise<string> =>
  (await readFile(logPath(name), "utf8").catch(() => "")).trimEnd().split("\n").slice(-count).join("\n");

const hashOf = (spec: ProcessSpec): string =>
  shortHash(JSON.stringify([spec.program, spec.args, spec.env ?? {}, spec.configuration ?? ""]));

const start = async (spec: ProcessSpec): Promise<void> => {
  await mkdir(statePath("log"), { recursive: true });
  // Opening the log anew is what keeps it bounded.
  const log = openSync(logPath(spec.name), "w");
  const environment = {
    PATH: systemPath,
    HOME: "/root",
    ...spec.env,
    [marks.state]: stateRoot,
    [marks.name]: spec.name,
    [marks.spec]: hashOf(spec),
  };
  const child = spawn(spec.program, spec.args, {
    cwd: stateRoot,
    detached: true,
    env: environment,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("spawn", resolve);
  child.once("error", (cause) => reject(new ClusterError("Component", `${spec.name} could not be started`, { cause })));
  child.unref();
  await promise;
};

/** Leaves a process alone that runs as specified, else (re)starts it; true when it was started. */
const ensureRunning = async (spec: ProcessSpec, run: Run): Promise<boolean> => {
  const mains = (await findProcesses()).filter((process) => process.name === spec.name && process.isMain);
  if (mains.length === 1 && mains[0]?.specHash === hashOf(spec) && !mains[0].isStopped) return false;
  await endProcesses(
    mains.map(({ pid }) => pid),
    run,
  );
  await start(spec);
  return true;
};

const freshPatienceMs = 90_000;
const oldPatienceMs = 10_000;

/**
 * Brings a process up and waits until `isHealthy` holds. One that runs already but is not healthy is given ten seconds,
 * then one restart. A failure carries the end of the log.
 */
export const ensureHealthy = async (spec: ProcessSpec, isHealthy: () => Promise<boolean>, run: Run): Promise<void> => {
  const check = async (): Promise<boolean> => {
    if ((await findProcess(spec.name)) === undefined)
      throw new ClusterError("Component", `${spec.name} ended by itself`);
    return isHealthy();
  };
  const wait = (timeoutMs: number) => until(`${spec.name} to be healthy`, check, { signal: run.signal, timeoutMs });
  const restart = async (): Promise<void> => {
    run.signal.throwIfAborted();
    run.say(`${spec.name} runs but is not healthy: restarting it`);
    await endProcesses([(await findProcess(spec.name))?.pid ?? []].flat(), run);
    await start(spec);
    await wait(freshPatienceMs);
  };
  try {
    const started = await ensureRunning(spec, run);
    if (started) await wait(freshPatienceMs);
    else await wait(oldPatienceMs).catch(restart);
    if (started) run.say(`${spec.name} is up`);
  } catch (cause) {
    run.signal.throwIfAborted();
    const log = await lastLogLines(spec.name);
    throw new ClusterError("Component", `${spec.name} did not become healthy; the end of its log:\n${log}`, { cause });
  }
};
