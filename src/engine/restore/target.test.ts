import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { cleanTarget, completeTarget, prepareTarget, requireSpace, type RestoreTarget } from "./target.ts";

const { signal } = new AbortController();

function newTarget(): Required<RestoreTarget> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-target-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return { pgdata: join(folder, "pgdata"), walDirectory: join(folder, "wal", "pg_wal") };
}

describe("the target of a restore", () => {
  it("is made for PostgreSQL alone, with a directory for the WAL", async () => {
    const { pgdata } = newTarget();
    await prepareTarget({ pgdata }, "20261121T091500");
    expect(lstatSync(pgdata).mode & 0o777).toBe(0o700);
    expect(lstatSync(join(pgdata, "pg_wal")).isDirectory()).toBe(true);
    expect(readdirSync(join(pgdata, "pg_wal"))).toEqual(["archive_status"]);
  });

  it("links pg_wal to a directory of its own", async () => {
    const target = newTarget();
    await prepareTarget(target, "20261121T091500");
    expect(readlinkSync(join(target.pgdata, "pg_wal"))).toBe(target.walDirectory);
    expect(existsSync(join(target.walDirectory, "archive_status"))).toBe(true);
  });

  it("is refused when it holds anything that a restore did not leave", async () => {
    const target = newTarget();
    mkdirSync(target.pgdata);
    writeFileSync(join(target.pgdata, "PG_VERSION"), "15\n");
    await expect(prepareTarget(target, "20261121T091500")).rejects.toMatchObject({
      kind: "NotEmpty",
      message: `${target.pgdata} is not empty: it holds PG_VERSION`,
    });
    expect(readdirSync(target.pgdata)).toEqual(["PG_VERSION"]);
  });

  it("is refused when the WAL's directory holds anything", async () => {
    const target = newTarget();
    mkdirSync(target.walDirectory, { recursive: true });
    writeFileSync(join(target.walDirectory, "000000010000000000000001"), "");
    await expect(prepareTarget(target, "20261121T091500")).rejects.toMatchObject({ kind: "NotEmpty" });
    expect(readdirSync(target.walDirectory)).toEqual(["000000010000000000000001"]);
  });

  it("is begun anew where a restore was killed", async () => {
    const target = newTarget();
    await prepareTarget(target, "20261121T091500");
    writeFileSync(join(target.pgdata, "PG_VERSION"), "15\n");
    writeFileSync(join(target.walDirectory, "000000010000000000000001"), "");
    await prepareTarget(target, "20261121T101500");
    expect(readdirSync(target.pgdata)).toEqual([".holdfast-restore", "pg_wal"]);
    expect(readdirSync(target.walDirectory)).toEqual(["archive_status"]);
  });

  it("is empty again after a failure", async () => {
    const target = newTarget();
    await prepareTarget(target, "20261121T091500");
    mkdirSync(join(target.pgdata, "base"));
    await cleanTarget(target);
    expect(readdirSync(target.pgdata)).toEqual([]);
    expect(readdirSync(target.walDirectory)).toEqual([]);
  });

  it("gets its control file at the very end", async () => {
    const { pgdata } = newTarget();
    await prepareTarget({ pgdata }, "20261121T091500");
    mkdirSync(join(pgdata, "global"));
    await completeTarget({ pgdata }, Buffer.from("control"), signal);
    expect(readdirSync(join(pgdata, "global"))).toEqual(["pg_control"]);
    expect(existsSync(join(pgdata, ".holdfast-restore"))).toBe(false);
  });

  it("has to have room", async () => {
    const target = newTarget();
    await requireSpace(target, 1);
    await expect(requireSpace(target, 2 ** 60)).rejects.toMatchObject({ kind: "NoSpace" });
  });
});
