import { mkdtemp, mkdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createLogger } from "#observe/logger.ts";
import { createReport } from "./report.ts";

let pgdata: string;
beforeEach(async () => {
  pgdata = await mkdtemp(join(tmpdir(), "holdfast-report-"));
});
afterEach(() => rm(pgdata, { recursive: true, force: true }));

const describeInstance = () =>
  createReport({
    surroundings: {
      pod: "pg-1",
      namespace: "db",
      cluster: "pg",
      pgdata,
      socketDirectory: join(pgdata, "no-socket"),
      port: 5432,
      scratch: pgdata,
    },
    archiving: () => ({ failures: 0, files: 0, bytes: 0, storedBytes: 0, gaps: [] }),
    backup: () => undefined,
    restore: () => undefined,
    cancelBackup: () => undefined,
    logger: createLogger("error", {}),
  }).describe(AbortSignal.timeout(10_000));

it("tells the free space of the volume that the WAL is on", async () => {
  await mkdir(join(pgdata, "pg_wal"));
  expect((await describeInstance()).freeBytes).toBeGreaterThan(0);
  await rm(join(pgdata, "pg_wal"), { recursive: true });
  // Never has any.
  await symlink("/proc", join(pgdata, "pg_wal"));
  expect((await describeInstance()).freeBytes).toBe(0);
});

it("tells none where there is no pg_wal", async () => {
  expect(await describeInstance()).not.toHaveProperty("freeBytes");
});
