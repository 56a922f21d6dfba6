// The sidecar's side of the backup and restore benchmarks, in a process of its own so that its memory and CPU can be
// told. Prints what it took as one line of JSON.
import { readFileSync } from "node:fs";
import { runBackup } from "#engine/backup/run.ts";
import { runRestore } from "#engine/restore/run.ts";
import { createLogger } from "#observe/logger.ts";
import type { ConnectionOptions } from "#postgres/connection.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import type { StoreConfig } from "#store/config.ts";
import { openStore } from "#store/open.ts";

export interface BackupTask {
  readonly config: StoreConfig;
  readonly server: string;
  readonly pgdata: string;
  readonly jobs: number;
  /** Makes a backup of a running server … */
  readonly backup?: { readonly connection: ConnectionOptions; readonly compression: "none" | "gzip" };
  /** … or restores the one with this id. */
  readonly restore?: { readonly id: string };
}

export interface BackupMeasured {
  readonly id: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssPeakMB: number;
  /** The longest that the event loop computed without looking for other work, in milliseconds. */
  readonly loopBusyMaxMs: number;
}

const task = JSON.parse(process.argv[2] ?? "") as BackupTask;
const { signal } = new AbortController();
const logger = createLogger("error");
const store = await openStore(task.config);

const loop = watchLoop();
const begin = { time: performance.now(), cpu: process.cpuUsage() };
const done = task.restore === undefined ? await backup() : await restore(task.restore.id);
const cpu = process.cpuUsage(begin.cpu);
const measured: BackupMeasured = {
  ...done,
  seconds: (performance.now() - begin.time) / 1000,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  rssPeakMB: rssPeakBytes() / 1024 / 1024,
  loopBusyMaxMs: loop.stop(),
};
store.close();
process.stdout.write(JSON.stringify(measured));

async function backup(): Promise<{ readonly id: string; readonly bytes: number }> {
  if (task.backup === undefined) throw new Error("the task is neither a backup nor a restore");
  const { server, pgdata, jobs } = task;
  const options = { store, server, pgdata, jobs, immediateCheckpoint: true, logger, signal };
  const { id, sizeBytes } = await runBackup({ ...options, ...task.backup });
  return { id, bytes: sizeBytes };
}

async function restore(id: string): Promise<{ readonly id: string; readonly bytes: number }> {
  const { server, pgdata } = task;
  const { backups } = await openBarmanRepository(store).catalog(server, { signal });
  const found = backups.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no backup ${id}`);
  const { bytes } = await runRestore({ store, server, backup: found, pgdata, logger, signal });
  return { id, bytes };
}

/** Counts the processor time between two turns of the loop: waiting for a busy machine is not the loop's fault. */
function watchLoop(): { stop(): number } {
  let before = process.threadCpuUsage();
  let most = 0;
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(before);
    before = process.threadCpuUsage();
    most = Math.max(most, (user + system) / 1000);
  }, 2);
  return {
    stop: () => {
      clearInterval(timer);
      return most;
    },
  };
}

/** getrusage would tell the peak of the process that started this one, if that was higher (proc(5): VmHWM is our own). */
function rssPeakBytes(): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}
