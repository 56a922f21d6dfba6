import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StoreError } from "#store/errors.ts";
import { openFilesystemStore } from "#store/filesystem.ts";
import type { ObjectStore } from "#store/store.ts";
import { openBarmanRepository } from "./repository.ts";

const info = readFileSync(new URL("../../../test/golden/barman/backup-17.info", import.meta.url), "utf8");
/** The same backup with another end and status. */
const infoWith = (endTime: string, status = "DONE"): string =>
  info.replace(/^end_time=.*$/m, `end_time=${endTime}`).replace(/^status=.*$/m, `status=${status}`);

const signal = AbortSignal.timeout(20_000);
let root: string;
let store: ObjectStore;
let read: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "barman-catalog-"));
  const files = openFilesystemStore(root);
  read = [];
  store = {
    ...files,
    get: async (key, options) => {
      read.push(key);
      return files.get(key, options);
    },
  };
});

afterEach(() => rm(root, { recursive: true }));

const put = (key: string, content = "x"): Promise<void> => store.put(key, Buffer.from(content), { signal });

describe("the catalog of a server", () => {
  it("has its backups, oldest first, with those that never ended last", async () => {
    await put("pg/base/20261101T000000/backup.info", infoWith("2026-11-01 00:10:00+00:00"));
    await put("pg/base/20261102T000000/backup.info", infoWith("2026-11-01 00:05:00.0000001+00:00"));
    await put("pg/base/20261103T000000/backup.info", infoWith("2026-11-03 00:10:00+00:00", "FAILED"));
    await put("pg/base/20261104T000000/data.tar");
    await put("pg/base/20261105T000000/backup.info", infoWith("None", "STARTED"));
    await put("other/base/20261106T000000/backup.info", info);
    const catalog = await openBarmanRepository(store).catalog("pg", { signal });
    expect(catalog).toMatchObject({ server: "pg", unreadable: [] });
    expect(catalog.backups.map(({ id, status }) => [id, status])).toEqual([
      ["20261102T000000", "done"],
      ["20261101T000000", "done"],
      ["20261103T000000", "failed"],
      ["20261104T000000", "incomplete"],
      ["20261105T000000", "incomplete"],
    ]);
  });

  it("says of a backup what barman wrote, its end rounded up to the millisecond", async () => {
    await put("pg/base/20261121T095409/backup.info", info.replace("backup_label", "backup_name=nightly\nbackup_label"));
    const { backups } = await openBarmanRepository(store).catalog("pg", { signal });
    expect(backups).toEqual([
      {
        id: "20261121T095409",
        name: "nightly",
        status: "done",
        type: "full",
        beginTime: new Date("2026-11-21T09:54:09.660Z"),
        endTime: new Date("2026-11-21T09:54:10.343Z"),
        beginWal: "000000010000000000000014",
        endWal: "000000010000000000000014",
        beginLsn: 0x14000028n,
        endLsn: 0x14000120n,
        timeline: 1,
        systemId: "7710555022479023659",
        postgresVersion: 170010,
        segmentBytes: 16_777_216,
        sizeBytes: 31_345_937,
        tablespaces: [],
      },
    ]);
  });

  it("tells what it could not read, without hiding the rest", async () => {
    await put("pg/base/20261101T000000/backup.info", info);
    await put("pg/base/20261102T000000/backup.info", "<html>");
    await put("pg/base/20261103T000000/backup.info", "#".repeat(1024 * 1024 + 1));
    const catalog = await openBarmanRepository(store).catalog("pg", { signal });
    expect(catalog.backups.map(({ id }) => id)).toEqual(["20261101T000000"]);
    expect(catalog.unreadable).toEqual([
      { id: "20261102T000000", error: "backup.info has no status" },
      {
        id: "20261103T000000",
        error: "pg/base/20261103T000000/backup.info has 1048577 bytes, which no such object has",
      },
    ]);
  });

  it("reads a finished backup once, and one under way again", async () => {
    const repository = openBarmanRepository(store);
    await put("pg/base/20261101T000000/backup.info", info);
    await put("pg/base/20261102T000000/data.tar");
    await put("pg/base/20261103T000000/backup.info", "<html>");
    const known = await repository.catalog("pg", { signal });
    await put("pg/base/20261102T000000/backup.info", info);
    read.length = 0;
    const again = await repository.catalog("pg", { signal, known });
    expect(read).toEqual(["pg/base/20261102T000000/backup.info", "pg/base/20261103T000000/backup.info"]);
    expect(again.backups.map(({ status }) => status)).toEqual(["done", "done"]);
    expect((await repository.catalog("other", { signal, known })).backups).toEqual([]);
  });

  it("forgets a backup that is not there any more", async () => {
    const repository = openBarmanRepository(store);
    await put("pg/base/20261101T000000/backup.info", info);
    const known = await repository.catalog("pg", { signal });
    await store.delete(["pg/base/20261101T000000/backup.info"], { signal });
    expect((await repository.catalog("pg", { signal, known })).backups).toEqual([]);
  });

  it("notices that a finished backup's backup.info is gone while its data is left", async () => {
    const repository = openBarmanRepository(store);
    await put("pg/base/20261101T000000/backup.info", info);
    await put("pg/base/20261101T000000/data.tar");
    const known = await repository.catalog("pg", { signal });
    await store.delete(["pg/base/20261101T000000/backup.info"], { signal });
    const { backups } = await repository.catalog("pg", { signal, known });
    expect(backups.map(({ id, status }) => [id, status])).toEqual([["20261101T000000", "incomplete"]]);
  });

  it("is never empty because the store did not answer", async () => {
    await put("pg/base/20261101T000000/backup.info", info);
    const refusing: ObjectStore = {
      ...store,
      get: () => Promise.reject(new StoreError("AccessDenied", "get refused")),
    };
    await expect(openBarmanRepository(refusing).catalog("pg", { signal })).rejects.toMatchObject({
      kind: "AccessDenied",
    });
    const aborted = openBarmanRepository(store).catalog("pg", { signal: AbortSignal.abort(new Error("enough")) });
    await expect(aborted).rejects.toThrow("enough");
  });
});

describe("the servers of a store", () => {
  it("are the directories with backups or WAL", async () => {
    await put("with-backups/base/20261101T000000/backup.info", info);
    await put("with-wal/wals/00000002.history");
    await put("foreign/readme.txt");
    await put("foreign/other/base/x");
    await put("base/file");
    await put("readme.txt");
    expect(await openBarmanRepository(store).servers({ signal })).toEqual(["with-backups", "with-wal"]);
  });

  it("are none in an empty store", async () => {
    expect(await openBarmanRepository(store).servers({ signal })).toEqual([]);
  });
});
