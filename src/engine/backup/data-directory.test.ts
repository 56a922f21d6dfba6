import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { walkDataDirectory } from "./data-directory.ts";
import { isExcluded } from "./exclusions.ts";

const { signal } = new AbortController();

function directoryWith(files: readonly string[]): string {
  const pgdata = mkdtempSync(join(tmpdir(), "holdfast-pgdata-"));
  onTestFinished(() => rmSync(pgdata, { recursive: true }));
  for (const file of files) {
    mkdirSync(join(pgdata, dirname(file)), { recursive: true });
    if (!file.endsWith("/")) writeFileSync(join(pgdata, file), "");
    else mkdirSync(join(pgdata, file), { recursive: true });
  }
  return pgdata;
}

const pathsOf = async (pgdata: string): Promise<readonly string[]> =>
  (await Array.fromAsync(walkDataDirectory(pgdata, signal))).map(({ kind, path }) =>
    kind === "directory" ? `${path}/` : path,
  );

describe("walkDataDirectory", () => {
  it("keeps emptied directories and leaves out what PostgreSQL makes anew", async () => {
    const pgdata = directoryWith([
      "PG_VERSION",
      "base/5/1259",
      "base/5/t3_16384",
      "base/5/t3_16384_fsm.1",
      "base/5/pg_internal.init",
      "base/pgsql_tmp/pgsql_tmp12.0",
      "backup_label",
      "global/pg_control",
      "global/1262",
      "log/postgresql.log",
      "pg_replslot/slot/state",
      "pg_stat_tmp/global.stat",
      "pg_tblspc/",
      "pg_wal/000000010000000000000001",
      "pg_wal/archive_status/000000010000000000000001.ready",
      "postmaster.opts",
      "postmaster.pid",
      "standby.signal",
    ]);
    expect(await pathsOf(pgdata)).toEqual([
      "./",
      "PG_VERSION",
      "base/",
      "base/5/",
      "base/5/1259",
      "global/",
      "global/1262",
      "log/",
      "pg_replslot/",
      "pg_stat_tmp/",
      "pg_tblspc/",
      "pg_wal/",
    ]);
  });

  it("stores a pg_wal that is a link to another volume as an empty directory", async () => {
    const pgdata = directoryWith(["PG_VERSION"]);
    symlinkSync("/var/lib/postgresql/wal/pg_wal", join(pgdata, "pg_wal"));
    expect(await pathsOf(pgdata)).toEqual(["./", "PG_VERSION", "pg_wal/"]);
  });

  it("keeps other links as links", async () => {
    const pgdata = directoryWith(["PG_VERSION"]);
    symlinkSync("/etc/postgresql.conf", join(pgdata, "postgresql.conf"));
    expect((await Array.fromAsync(walkDataDirectory(pgdata, signal))).at(-1)).toEqual({
      kind: "link",
      path: "postgresql.conf",
      target: "/etc/postgresql.conf",
    });
  });

  it("fails at a tablespace", async () => {
    const pgdata = directoryWith(["PG_VERSION", "pg_tblspc/"]);
    symlinkSync("/mnt/fast", join(pgdata, "pg_tblspc", "16388"));
    await expect(pathsOf(pgdata)).rejects.toMatchObject({
      kind: "Unsupported",
      message: "backing up tablespaces is not supported yet: the cluster has tablespace 16388",
    });
  });

  it("stops when its signal aborts", async () => {
    const reason = new Error("enough");
    const walking = Array.fromAsync(walkDataDirectory(directoryWith(["a", "b"]), AbortSignal.abort(reason)));
    await expect(walking).rejects.toBe(reason);
  });
});

describe("isExcluded", () => {
  it("tells tables of one session from tables whose name only looks like it", () => {
    expect(["base/5/t3_16384", "base/5/t12_1_vm", "base/5/16384_t", "base/5/t3", "t3_16384"].map(isExcluded)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it("leaves the control file to its own step", () => {
    expect(isExcluded("global/pg_control")).toBe(true);
  });
});
