// What pgBackRest says at a Stanza's logLevel is heard line by line, and its error is the same at every level.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { LogLine } from "#repository/pgbackrest/log-lines.ts";
import { openPgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { pgbackrestPrograms } from "../cluster/pgbackrest.ts";

const secrets = { secretAccessKey: "a-secret-key", passphrase: "a-secret-phrase" };
const configOf = (logLevel: string): StanzaConfig => ({
  stanza: "main",
  repositories: [
    { key: 1, type: "s3", path: "/r", bucket: "b", endpoint: "127.0.0.1:1", region: "r", verifyTls: true },
  ],
  credentials: { kind: "repositories", each: [{ accessKeyId: "id", ...secrets }] },
  processMax: 1,
  archive: { async: false, getQueueBytes: 1 },
  startFast: true,
  delta: false,
  logLevel,
  backup: { fullEveryDays: 7, chainMax: 30 },
  // These tests may run as root.
  variables: { PGBACKREST_ALLOW_ROOT: "y" },
});

describe.each(pgbackrestPrograms())("the log of pgbackrest $version", ({ program, version }) => {
  /** Of a push from a database directory that has no control file, which fails before any repository is asked. */
  async function push(
    scratch: string,
    logLevel: string,
  ): Promise<{ readonly lines: readonly LogLine[]; readonly error: unknown }> {
    const pgdata = join(scratch, "pgdata");
    await mkdir(pgdata, { recursive: true });
    const lines: LogLine[] = [];
    const pgbackrest = await openPgbackrest(configOf(logLevel), {
      scratch,
      program,
      database: { pgdata, socketDirectory: scratch, port: 5432 },
      onLog: (line) => lines.push(line),
    });
    const error: unknown = await pgbackrest
      .run("archive-push", {
        options: ["--no-archive-async", "--log-level-console=off", "--log-level-stderr=error", "--io-timeout=1"],
        parameters: [join(pgdata, "pg_wal", "000000010000000000000001")],
        deadlineMs: 30_000,
        signal: AbortSignal.timeout(40_000),
      })
      .catch((thrown: unknown) => thrown);
    return { lines, error };
  }

  it("has the lines of the level and none above it, no secret, and leaves the error as it is", async () => {
    const scratch = await mkdtemp(join(tmpdir(), "holdfast-pgbackrest-"));
    onTestFinished(() => rm(scratch, { recursive: true, force: true }));
    const quiet = await push(scratch, "error");
    expect(quiet.lines).toEqual([]);
    expect(quiet.error).toBeInstanceOf(PgbackrestError);
    const { message, code } = quiet.error as PgbackrestError;
    expect(message).toContain("pg_control");
    for (const logLevel of ["warn", "info", "debug", "trace"]) {
      const { lines, error } = await push(scratch, logLevel);
      expect(error).toMatchObject({ message, code });
      const begin = expect.objectContaining({
        level: "info",
        text: expect.stringContaining(`archive-push command begin ${version}`) as string,
      }) as LogLine;
      if (logLevel === "warn") expect(lines).not.toContainEqual(begin);
      else expect(lines).toContainEqual(begin);
      const isDebug = logLevel === "debug" || logLevel === "trace";
      expect(lines.some(({ level }) => level === "debug")).toBe(isDebug);
      for (const secret of Object.values(secrets)) expect(JSON.stringify(lines)).not.toContain(secret);
    }
  });
});
