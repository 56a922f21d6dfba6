// Says what of the cluster runs and whether it is healthy, without changing anything.
import { existsSync } from "node:fs";
import { cnpgIsReady } from "./cnpg.ts";
import { openKubeApi } from "./kube-api.ts";
import { storeIsHealthy, storeTlsUrl, storeUrl } from "./minio.ts";
import { nodeIsReady } from "./node.ts";
import { certificatePath } from "./paths.ts";
import { findProcesses, processNames } from "./processes.ts";
import { type Run, type RunOptions, startRun } from "./run.ts";
import { storeTlsIsHealthy } from "./tls-endpoint.ts";

export interface ClusterStatus {
  readonly healthy: boolean;
  /** Process name → its id, or undefined when it does not run. */
  readonly processes: ReadonlyMap<string, number | undefined>;
  /** What was asked → whether the answer was good. */
  readonly checks: ReadonlyMap<string, boolean>;
}

const holds = (check: Promise<boolean>): Promise<boolean> => check.catch(() => false);

const checkAll = async (run: Run): Promise<ReadonlyMap<string, boolean>> => {
  const checks = new Map<string, boolean>();
  if (existsSync(certificatePath("admin"))) {
    const api = openKubeApi();
    checks.set("node Ready", await holds(nodeIsReady(api, run)));
    checks.set("CloudNativePG", await holds(cnpgIsReady(api, run)));
    checks.set(`store ${storeUrl}`, await holds(storeIsHealthy(run)));
    checks.set(`store ${storeTlsUrl}`, await holds(storeTlsIsHealthy(run)));
    api.close();
  }
  return checks;
};

export const clusterStatus = async (options: RunOptions = {}): Promise<ClusterStatus> => {
  const run = startRun(options);
  const found = (await findProcesses()).filter(({ isMain }) => isMain);
  const processes = new Map(processNames.map((name) => [name, found.find((process) => process.name === name)?.pid]));
  const checks = await checkAll(run);
  const all = [...checks.values(), ...[...processes.values()].map((pid) => pid !== undefined)];
  return { processes, checks, healthy: checks.size > 0 && all.every(Boolean) };
};

export const formatStatus = (status: ClusterStatus): string => {
  const processes = [...status.processes].map(([name, pid]) => [
    name,
    pid === undefined ? "not running" : `pid ${pid}`,
  ]);
  const checks = [...status.checks].map(([name, good]) => [name, good ? "yes" : "no"]);
  const lines = [...processes, ...checks].map(([name, text]) => `${name?.padEnd(32)}${text}\n`);
  return `${lines.join("")}${status.healthy ? "the cluster is up" : "the cluster is not up"}\n`;
};
