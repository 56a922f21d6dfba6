import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { createPushPermit } from "./push-permit.ts";
import { openPushSpool, type PushSpool } from "./push-spool.ts";
import { createPushWorker } from "./push-worker.ts";

const name = "000000010000000000000001";
const never = new AbortController().signal;
let folder: string;
let wal: string;
let spool: PushSpool;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-worker-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  wal = join(folder, name);
  await writeFile(wal, "wal");
  spool = openPushSpool(join(folder, "spool"), "main");
  await spool.open();
  // What the worker before met: its cause is gone.
  await writeFile(join(spool.out, "global.error"), "103\nunable to find a valid repository");
});

/** Its program stores the file at once. */
const workerOver = (own: PushSpool) => {
  const run = async () => {
    await writeFile(join(spool.out, `${name}.ok`), "");
    return { code: 0, stdout: "" };
  };
  const pgbackrest = { run } as unknown as Pgbackrest;
  const permit = createPushPermit({ pgdata: folder });
  return createPushWorker({ pgbackrest, spool: own, walDirectory: folder, pushOptions: [], signal: never, permit });
};

it("takes no error that an earlier one left for its own, however long it takes to remove that", async () => {
  const gate = Promise.withResolvers<void>();
  const slow: PushSpool = { ...spool, forgetErrors: () => gate.promise.then(() => spool.forgetErrors()) };
  const worker = workerOver(slow);
  const outcome = worker.outcome(worker.start(), wal, name, never);
  const answered = outcome.then(() => true);
  for (let turns = 0; turns < 500; turns++) await turn();
  expect(await Promise.race([answered, Promise.resolve(false)])).toBe(false);
  gate.resolve();
  expect(await outcome).toBe(true);
});

it("has said nothing while what an earlier one left cannot be removed", async () => {
  const stuck: PushSpool = { ...spool, forgetErrors: () => Promise.reject(new Error("EIO: input/output error")) };
  const worker = workerOver(stuck);
  const run = worker.start();
  expect(await worker.outcome(run, wal, name, never)).toBeUndefined();
  expect(await run.end).toMatchObject({ message: "EIO: input/output error" });
  expect(worker.current).toBeUndefined();
});
