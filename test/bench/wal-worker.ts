// The sidecar's side of the WAL benchmark, in a process of its own so that its memory and CPU can be told: archives the
// files one request after the other, as PostgreSQL asks for them, and prints what it took as one line of JSON.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compressionByName, type WalCompressionName } from "#codec/compression.ts";
import { createArchiver } from "#engine/archive/archiver.ts";
import { createLogger } from "#observe/logger.ts";
import type { StoreConfig } from "#store/config.ts";
import { openStore } from "#store/open.ts";

export interface WorkerTask {
  readonly config: StoreConfig;
  readonly server: string;
  readonly compression: WalCompressionName;
  readonly maxParallel: number;
  readonly pgdata: string;
  readonly names: readonly string[];
}

export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssPeakMB: number;
}

const task = JSON.parse(process.argv[2] ?? "") as WorkerTask;
const { signal } = new AbortController();
const store = await openStore(task.config);
const walDirectory = join(task.pgdata, "pg_wal");
const archiver = createArchiver({
  pgdata: task.pgdata,
  walDirectory,
  logger: createLogger("warning"),
});
const cluster = { namespace: "bench", name: "bench", uid: "bench" };
const location = {
  store,
  storeName: "bench",
  server: task.server,
  compression: compressionByName(task.compression),
  maxParallel: task.maxParallel,
};

const begin = { time: performance.now(), cpu: process.cpuUsage() };
for (const name of task.names) {
  await archiver.archive(join(walDirectory, name), location, { cluster, checkEmpty: false, skipCheck: false, signal });
}
await archiver.close(signal);
const cpu = process.cpuUsage(begin.cpu);
const measured: Measured = {
  seconds: (performance.now() - begin.time) / 1000,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  rssPeakMB: rssPeakBytes() / 1024 / 1024,
};
store.close();
process.stdout.write(JSON.stringify(measured));

/** getrusage would tell the peak of the process that started this one, if that was higher (proc(5): VmHWM is our own). */
function rssPeakBytes(): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}
