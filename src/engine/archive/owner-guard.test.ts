import { rm } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { beforeEach, describe, expect, it } from "vitest";
import type { ObjectStore } from "#store/store.ts";
import { formatBackupInfo } from "#repository/barman/backup-info.ts";
import { createPgdata, segmentNames, type Pgdata } from "#test/bench/wal-data.ts";
import {
  call,
  createFixture,
  first,
  keyOf,
  logger,
  clusterIdentity,
  mib,
  never,
  text,
  type Fixture,
} from "#test/bench/wal-fixture.ts";
import { createArchiver } from "./archiver.ts";
import { isArchiveError } from "./errors.ts";

let fixture: Fixture;
let pgdata: Pgdata;
let store: ObjectStore;
beforeEach(async () => {
  fixture = await createFixture();
  ({ pgdata, store } = fixture);
});

describe("whose archive it is", () => {
  const owner = async (): Promise<unknown> =>
    JSON.parse((await buffer((await store.get("pg/holdfast/owner.json", { signal: never })).body)).toString());
  const stranger = (): Promise<Pgdata> =>
    createPgdata(join(fixture.root, "stranger"), { systemId: "7300000000000000002" });
  /** A backup of barman; one that failed tells whose archive it is just as well. */
  const backupInfo = (systemId: string): Promise<void> =>
    fixture.put(
      "pg/base/20261121T091500/backup.info",
      formatBackupInfo({ status: "FAILED", systemId, segmentBytes: mib, tablespaces: [] }),
    );

  it("claims an empty archive before the first file", async () => {
    await fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call({ checkEmpty: true }));
    expect(await owner()).toMatchObject({
      systemID: pgdata.systemId,
      cluster: clusterIdentity,
      since: expect.any(String) as string,
    });
  });

  it("refuses an archive of another system by its owner's name, and works by itself once that is gone", async () => {
    await fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call());
    const other = await stranger();
    const archiver = fixture.archiver({ data: other });
    const path = await other.add("000000010000000000000009");
    const failure = archiver.archive(path, fixture.locate(), call({ skipCheck: true }));
    await expect(failure).rejects.toMatchObject({
      kind: "ForeignArchive",
      message: text(/app\/pg.*7300000000000000001.*7300000000000000002/),
      hint: text("serverName in the plugin's parameters, as after every major upgrade"),
    });
    const cluster = { ...clusterIdentity, uid: "another" };
    await expect(archiver.archive(path, fixture.locate(), call({ cluster }))).rejects.toMatchObject({
      hint: text(/serverName in the plugin's parameters$/),
    });
    expect(await fixture.archived()).toEqual([`${first}.zst`]);
    expect(archiver.status()).toMatchObject({ failures: 2, lastFailure: { error: { kind: "ForeignArchive" } } });
    await store.delete(["pg/holdfast/owner.json"], { signal: never });
    await archiver.archive(path, fixture.locate(), call());
    expect(await owner()).toMatchObject({ systemID: other.systemId });
  });

  it("goes on for a re-created Cluster with the same system id", async () => {
    await fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call());
    const again = createArchiver({ pgdata: pgdata.path, walDirectory: pgdata.walDirectory, logger });
    await again.archive(
      await pgdata.add(segmentNames(first, 2, mib)[1]!),
      fixture.locate(),
      call({ cluster: { ...clusterIdentity, uid: "other" }, checkEmpty: true }),
    );
    expect(await owner()).toMatchObject({ cluster: clusterIdentity });
  });

  it("refuses WAL of unknown origin for a new cluster, naming an object, unless the user skips the check", async () => {
    await fixture.put(keyOf(first, ".gz"), Buffer.from("x"));
    const path = await pgdata.add("000000010000000000000009");
    const failure = fixture.archiver().archive(path, fixture.locate(), call({ checkEmpty: true }));
    await expect(failure).rejects.toMatchObject({
      kind: "ExpectedEmptyArchive",
      message: text(new RegExp(`Expected empty archive.*${first}.gz`)),
    });
    await fixture.archiver().archive(path, fixture.locate(), call({ checkEmpty: true, skipCheck: true }));
    expect(await fixture.archived()).toHaveLength(2);
  });

  it("adopts barman's archive when a backup there is of this system", async () => {
    await fixture.put(keyOf(first, ".gz"), Buffer.from("x"));
    await backupInfo(pgdata.systemId);
    await fixture
      .archiver()
      .archive(await pgdata.add("000000010000000000000009"), fixture.locate(), call({ checkEmpty: true }));
    expect(await owner()).toMatchObject({ systemID: pgdata.systemId });
  });

  it("refuses barman's archive of another system even for a cluster that is not new", async () => {
    await fixture.put(keyOf(first, ".gz"), Buffer.from("x"));
    await backupInfo("7300000000000000055");
    const failure = fixture.archiver().archive(await pgdata.add("000000010000000000000009"), fixture.locate(), call());
    await expect(failure).rejects.toMatchObject({
      kind: "ForeignArchive",
      message: text("7300000000000000055"),
    });
  });

  it("lets one of two claimants win", async () => {
    const other = await stranger();
    const outcomes = await Promise.allSettled([
      fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call()),
      fixture.archiver({ data: other }).archive(await other.add(first), fixture.locate(), call()),
    ]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(
      outcomes.filter((outcome) => outcome.status === "rejected" && isArchiveError(outcome.reason, "ForeignArchive")),
    ).toHaveLength(1);
  });

  it("refuses without pg_control", async () => {
    await rm(join(pgdata.path, "global"), { recursive: true });
    await expect(fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call())).rejects.toMatchObject({
      kind: "LocalFile",
    });
  });
});
