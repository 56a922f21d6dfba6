// Takes the cluster down and everything it made outside the cache: processes, containers, mounts, network, state. Works on
// what it finds, so a half-dead cluster goes down like a healthy one.
import { readFile, rm } from "node:fs/promises";
import { removeCgroups } from "./cgroups.ts";
import { command } from "./command.ts";
import { alone } from "./lock.ts";
import { restoreMachine } from "./machine.ts";
import { runRoot, stateRoot } from "./paths.ts";
import { allPids, endProcesses, type FoundProcess, findProcesses, readStat } from "./processes.ts";
import { type Run, type RunOptions, startRun, until } from "./run.ts";
import { removeStrayFiles } from "./stray-files.ts";

/** The state goes too, so nobody needs time to put things in order: all are killed, those first that start others. */
const endAll = async (run: Run): Promise<void> => {
  const mains = (await findProcesses()).filter(({ isMain }) => isMain);
  const isStarter = ({ name }: FoundProcess): boolean => name === "kubelet" || name === "containerd";
  const pids = (processes: readonly FoundProcess[]): number[] => processes.map(({ pid }) => pid);
  await endProcesses(pids(mains.filter(isStarter)), run, 0);
  await endContainers(run);
  await endProcesses(pids(await findProcesses()), run, 0);
};

/** Containers are children of the shims, and shims are what remains of containerd's family once it has ended. */
const endContainers = async (run: Run): Promise<void> => {
  const shims = new Set((await findProcesses()).filter(({ isMain }) => !isMain).map(({ pid }) => pid));
  const stats = await Promise.all((await allPids()).map(async (pid) => ({ pid, stat: await readStat(pid) })));
  const inits = stats.filter(({ stat }) => stat !== undefined && shims.has(stat.parent)).map(({ pid }) => pid);
  await endProcesses([...inits, ...shims], run, 0);
};

/** Mount points below our folders, the deepest first. Field 5 of mountinfo, with octal escapes (proc(5)). */
export const ourMounts = async (): Promise<string[]> => {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  const points = lines.map((line) =>
    (line.split(" ")[4] ?? "").replaceAll(/\\(\d{3})/g, (_, code: string) =>
      String.fromCodePoint(Number.parseInt(code, 8)),
    ),
  );
  return points.filter((point) => [stateRoot, runRoot].some((root) => `${point}/`.startsWith(`${root}/`))).toReversed();
};

const unmountAll = async (run: Run): Promise<void> => {
  const isDone = async (): Promise<boolean> => {
    const mounts = await ourMounts();
    if (mounts.length === 0) return true;
    await command("umount", ["-l", "--", ...mounts], { signal: run.signal });
    return false;
  };
  await until("our mounts to be gone", isDone, { signal: run.signal, timeoutMs: 10_000 });
};

export const down = async (options: RunOptions = {}): Promise<void> => {
  const run = startRun(options);
  await alone("cluster", run, async () => {
    run.say("taking the cluster down …");
    await endAll(run);
    await removeStrayFiles();
    await unmountAll(run);
    await restoreMachine(run);
    await removeCgroups();
    await rm(stateRoot, { recursive: true, force: true });
    await rm(runRoot, { recursive: true, force: true });
    run.say("the cluster is down");
  });
};
