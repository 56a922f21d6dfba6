// What a backup costs the process that also answers Probe and Archive: memory and turns of the event loop, measured in a
// process of its own while 1 GiB goes to a real S3 server.
import { execFile } from "node:child_process";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { openStore } from "#store/open.ts";
import type { BackupMeasured, BackupTask } from "#test/bench/backup-worker.ts";
import { openTestCluster, type Server, type TestCluster } from "./backup-cluster.ts";
import { startMinio, type Minio } from "./minio.ts";

const execute = promisify(execFile);
const gibibyte = 1024 ** 3;

let minio: Minio;
let cluster: TestCluster;
let primary: Server;

beforeAll(async () => {
  [minio, cluster] = await Promise.all([startMinio(), openTestCluster()]);
  primary = await cluster.create("primary");
  const file = await open(join(primary.pgdata, "base", "large"), "w");
  await file.truncate(gibibyte);
  await file.close();
  // Some content, so that compression has work to do.
  await writeFile(
    join(primary.pgdata, "base", "mixed"),
    Buffer.alloc(64 * 1024 * 1024, "PostgreSQL base backup 0123456789"),
  );
});
afterAll(async () => {
  await Promise.all([minio.stop(), cluster.end()]);
});

it.each(["none", "gzip"] as const)(
  "a backup of more than 1 GiB stays small and out of the way, compression %s",
  async (compression) => {
    const config = minio.config();
    const store = await openStore(config);
    const stopArchiving = cluster.archiveTo(store, "pg");
    onTestFinished(async () => {
      await stopArchiving();
      store.close();
    });
    const task: BackupTask = {
      config,
      server: "pg",
      pgdata: primary.pgdata,
      jobs: 2,
      backup: { connection: primary.connection, compression },
    };
    const worker = join(import.meta.dirname, "..", "bench", "backup-worker.ts");
    const { stdout } = await execute(process.execPath, [worker, JSON.stringify(task)]);
    const measured = JSON.parse(stdout) as BackupMeasured;
    expect(measured.bytes).toBeGreaterThan(gibibyte);
    expect(measured.rssPeakMB).toBeLessThan(250);
    expect(measured.loopBusyMaxMs).toBeLessThan(50);
  },
);
