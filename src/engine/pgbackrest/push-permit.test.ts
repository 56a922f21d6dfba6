import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { aborted } from "#std/abort.ts";
import { createPushPermit } from "./push-permit.ts";
import { openPushSpool } from "./push-spool.ts";
import { createPushWorker } from "./push-worker.ts";

const never = new AbortController().signal;
let pgdata: string;
beforeEach(async () => {
  pgdata = await mkdtemp(join(tmpdir(), "holdfast-permit-"));
  onTestFinished(() => rm(pgdata, { recursive: true, force: true }));
});
const postgresIs = (state: string): Promise<void> =>
  writeFile(join(pgdata, "postmaster.pid"), `1\n/pgdata\n0\n5432\n/run\n*\n1 2\n${state.padEnd(8)}\n`);

/** The worker, whose program goes on until it is ended. */
async function endlessWorker(over: { pauseMsMax?: number } = {}) {
  const started = Promise.withResolvers<void>();
  const permit = createPushPermit({ pgdata, lookEveryMs: 5, ...over });
  const run: Pgbackrest["run"] = async (_command, { signal }) => {
    started.resolve();
    await aborted(signal);
    throw signal.reason;
  };
  const spool = openPushSpool(join(pgdata, "spool"), "main");
  const pgbackrest = { run } as unknown as Pgbackrest;
  const worker = createPushWorker({ pgbackrest, spool, walDirectory: pgdata, pushOptions: [], signal: never, permit });
  const begun = worker.start();
  await started.promise;
  return { permit, run: begun };
}

it("ends the worker of a primary that has become a standby", async () => {
  await postgresIs("ready");
  const { run } = await endlessWorker();
  await postgresIs("standby");
  expect(await run.end).toMatchObject({ message: "PostgreSQL is standby and was ready" });
});

it("ends the worker when PostgreSQL is down, not while it stops", async () => {
  await postgresIs("ready");
  const { run, permit } = await endlessWorker();
  await postgresIs("stopping");
  // Looked at many times meanwhile.
  const looks = permit.during(AbortSignal.timeout(100), async (signal) => aborted(signal));
  const ended = run.end.then(() => "ended");
  expect(await Promise.race([ended, looks.then(() => "goes on")])).toBe("goes on");
  await rm(join(pgdata, "postmaster.pid"));
  expect(await run.end).toMatchObject({ message: "PostgreSQL is down and was ready" });
});

it("lets that of a standby go on which archives, as the first one of a replica cluster", async () => {
  await postgresIs("standby");
  const { run, permit } = await endlessWorker();
  const looks = permit.during(AbortSignal.timeout(100), async (signal) => aborted(signal));
  expect(await Promise.race([run.end, looks.then(() => "goes on")])).toBe("goes on");
});

it("ends the worker when nobody asks for WAL any more", async () => {
  await postgresIs("ready");
  const { run } = await endlessWorker({ pauseMsMax: 20 });
  expect(await run.end).toMatchObject({ message: "PostgreSQL does not ask any more" });
});
