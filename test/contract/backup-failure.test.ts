// Base backups that do not come to their end, and restores that must not begin or cannot go on: what they say, and what
// they leave in the store, at the server and on the disk.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { runRestore } from "#engine/restore/run.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { StoreError } from "#store/errors.ts";
import type { ObjectStore } from "#store/store.ts";
import { logger, poll, signal, useBackups } from "./backup-fixture.ts";

const fixture = useBackups();

describe("a backup that does not come to its end", () => {
  const sessions = (and = ""): Promise<string> =>
    fixture.primary.value(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast-backup' ${and}`);

  it("leaves nothing when it is cancelled", async () => {
    const cancellation = new AbortController();
    let before = 0;
    const store = fixture.withUploads(async (bytes) => {
      // The bytes begin anew: one archive is complete, the next under way.
      if (bytes < before) cancellation.abort(new Error("no longer wanted"));
      before = bytes;
    });
    const options = { store, signal: cancellation.signal, maxArchiveBytes: 15_000_000 };
    await expect(fixture.backup(fixture.primary, options)).rejects.toMatchObject({
      kind: "Cancelled",
      message: "the backup was cancelled",
      cause: new Error("no longer wanted"),
    });
    expect(await fixture.namesUnder("pg/base/")).toEqual([]);
    expect(await fixture.minio.unfinishedUploads()).toBe(0);
    await poll(async () => (await sessions()) === "0");
  });

  it("leaves no record of success when it is cancelled while that is being written", async () => {
    const cancellation = new AbortController();
    const store: ObjectStore = {
      ...fixture.store,
      put: async (key, body, options) => {
        await fixture.store.put(key, body, { ...options, signal });
        // The store has it; the answer never comes.
        if (!key.endsWith("backup.info") || cancellation.signal.aborted) return;
        cancellation.abort(new Error("no longer wanted"));
        throw cancellation.signal.reason;
      },
    };
    const backup = fixture.backup(fixture.primary, { store, signal: cancellation.signal });
    await expect(backup).rejects.toMatchObject({ kind: "Cancelled" });
    expect(await fixture.records()).toEqual([]);
  });

  it("is cancelled while it waits for the checkpoint", async () => {
    const cancellation = new AbortController();
    await fixture.primary.query("CREATE TABLE public.dirty AS SELECT g FROM generate_series(1, 200000) g");
    const backup = fixture.backup(fixture.primary, { immediateCheckpoint: false, signal: cancellation.signal });
    const outcome = expect(backup).rejects.toMatchObject({ kind: "Cancelled" });
    await poll(async () => (await sessions("AND query LIKE '%pg_backup_start%'")) === "1");
    cancellation.abort();
    await outcome;
    await poll(async () => (await sessions()) === "0");
  });

  it("leaves nothing when it is cancelled while its record is written, which takes effect all the same", async () => {
    const cancellation = new AbortController();
    const store: ObjectStore = {
      ...fixture.store,
      put: async (key, body, options) => {
        await fixture.store.put(key, body, options);
        cancellation.abort(new Error("no longer wanted"));
        options.signal.throwIfAborted();
      },
    };
    const backup = fixture.backup(fixture.primary, { store, signal: cancellation.signal });
    await expect(backup).rejects.toMatchObject({ kind: "Cancelled" });
    expect(await fixture.namesUnder("pg/base/")).toEqual([]);
  });

  it("is marked as failed, without its data, when the store fails", async () => {
    const store = fixture.withUploads(async (bytes) => {
      if (bytes > 10_000_000) throw new StoreError("AccessDenied", "put part 2: access denied");
    });
    const message = "storing the backup failed: put part 2: access denied";
    const backup = fixture.backup(fixture.primary, { store, name: "nightly" });
    await expect(backup).rejects.toMatchObject({ kind: "Store", message });
    expect(await fixture.namesUnder("pg/base/")).toEqual(["backup.info"]);
    expect(await fixture.records()).toMatchObject([{ status: "failed", name: "nightly", error: message }]);
    expect(await fixture.minio.unfinishedUploads()).toBe(0);
  });

  it("stops at once when its session is ended", async () => {
    const end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast-backup'";
    let parts = 0;
    const store = fixture.withUploads(async () => {
      if (parts++ > 0) return;
      await fixture.primary.query(end);
      await poll(async () => (await sessions()) === "0");
    });
    await expect(fixture.backup(fixture.primary, { store })).rejects.toMatchObject({
      kind: "Database",
      message: expect.stringContaining("the session with postgresql"),
    });
    expect(parts).toBeLessThan(3);
  });

  it("is refused for a cluster with tablespaces before anything is written", async () => {
    const make = ["-c", "SET allow_in_place_tablespaces = on", "-c", "CREATE TABLESPACE fast LOCATION ''"];
    await fixture.cluster.program("psql", ["-q", ...make, ...fixture.place]);
    onTestFinished(async () => void (await fixture.primary.query("DROP TABLESPACE fast")));
    await expect(fixture.backup(fixture.primary)).rejects.toMatchObject({
      kind: "Unsupported",
      message: "backing up tablespaces is not supported yet: the cluster has tablespace fast",
    });
    expect(await fixture.namesUnder("pg/base/")).toEqual([]);
  });

  it("is refused beside the WAL of another database system", async () => {
    const cluster = { namespace: "db", name: "other", uid: "u" };
    const owner = JSON.stringify({ systemID: "123", since: "2026-11-21T09:00:00Z", cluster });
    await fixture.store.put("pg/holdfast/owner.json", Buffer.from(owner), { signal });
    await expect(fixture.backup(fixture.primary)).rejects.toMatchObject({
      kind: "ForeignArchive",
      message: expect.stringContaining("belongs to cluster db/other, database system 123"),
    });
  });

  it.each(["zstd", "bzip2"])("is refused with compression %s", async (compression) => {
    await expect(fixture.backup(fixture.primary, { compression })).rejects.toMatchObject({ kind: "Unsupported" });
  });
});

describe("a restore", () => {
  /** The store, but each answer with data goes through `onData`, which is told how many there were before. */
  const withDownloads = (
    onData: (before: number, get: () => ReturnType<ObjectStore["get"]>) => ReturnType<ObjectStore["get"]>,
  ): ObjectStore => {
    const { store } = fixture;
    let answers = 0;
    return {
      ...store,
      get: (key, options) =>
        key.endsWith("data.tar") ? onData(answers++, () => store.get(key, options)) : store.get(key, options),
    };
  };

  it("writes nothing while WAL of the backup is missing, and names it", async () => {
    const { id, endWal } = await fixture.backup(fixture.primary);
    await fixture.store.delete([`pg/wals/${endWal.slice(0, 16)}/${endWal}`], { signal });
    const pgdata = fixture.cluster.newPath("refused");
    await expect(fixture.restore(id, pgdata)).rejects.toMatchObject({
      kind: "WalMissing",
      message: `backup ${id} needs wal that is not in the archive: ${endWal}`,
    });
    await expect(readdir(pgdata)).rejects.toMatchObject({ code: "ENOENT" });
    expect(await fixture.preview()).toMatchObject({
      kind: "unreachable",
      reason: "WalMissing",
      message: `backup ${id} cannot become consistent, wal ${endWal} not being in the archive`,
    });
  });

  it("writes nothing when a part of the backup's data is gone", async () => {
    const { id } = await fixture.backup(fixture.primary, { maxArchiveBytes: 15_000_000 });
    await fixture.store.delete([`pg/base/${id}/data_0001.tar`], { signal });
    const pgdata = fixture.cluster.newPath("refused");
    await expect(fixture.restore(id, pgdata)).rejects.toMatchObject({
      kind: "NotUsable",
      message: `backup ${id} is not whole: data_0001.tar is not there`,
    });
    await expect(readdir(pgdata)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("puts the WAL where it has a volume of its own", async () => {
    const { id, label } = await fixture.backup(fixture.primary);
    const [pgdata, walDirectory] = [fixture.cluster.newPath("pgdata"), fixture.cluster.newPath("wal")];
    await fixture.restore(id, pgdata, { walDirectory });
    expect(await readdir(walDirectory)).toEqual(["archive_status"]);
    expect(await readdir(join(pgdata, "pg_wal"))).toEqual(["archive_status"]);
    expect(await readFile(join(pgdata, "backup_label"), "utf8")).toBe(label);
  });

  it("leaves an empty directory when it fails", async () => {
    const { id } = await fixture.backup(fixture.primary);
    const store = withDownloads(async (before, get) => {
      if (before > 1) throw new StoreError("AccessDenied", "get data.tar: access denied");
      return await get();
    });
    const pgdata = fixture.cluster.newPath("failed");
    await expect(fixture.restore(id, pgdata, { store })).rejects.toMatchObject({
      kind: "Store",
      message: expect.stringContaining("access denied"),
    });
    expect(await readdir(pgdata)).toEqual([]);
  });

  it("leaves an empty directory when it is cancelled", async () => {
    const { id } = await fixture.backup(fixture.primary);
    const cancellation = new AbortController();
    const store = withDownloads(async (before, get) => {
      if (before > 1) cancellation.abort();
      return await get();
    });
    const pgdata = fixture.cluster.newPath("cancelled");
    const restore = fixture.restore(id, pgdata, { store, signal: cancellation.signal });
    await expect(restore).rejects.toMatchObject({ kind: "Cancelled" });
    expect(await readdir(pgdata)).toEqual([]);
  });

  it("reads a piece again when its connection breaks", async () => {
    const { id, sizeBytes } = await fixture.backup(fixture.primary);
    const store = withDownloads(async (before, get) => {
      const content = await get();
      if (before < 2) content.body.destroy(new StoreError("EndpointUnreachable", "connection reset"));
      return content;
    });
    const { bytes } = await fixture.restore(id, fixture.cluster.newPath("resumed"), { store });
    expect(bytes).toBeGreaterThan(sizeBytes);
  });

  it("never touches a directory that is in use", async () => {
    const { id } = await fixture.backup(fixture.primary);
    await expect(fixture.restore(id, fixture.primary.pgdata)).rejects.toMatchObject({ kind: "NotEmpty" });
    expect(await fixture.primary.value("SELECT 1")).toBe("1");
  });

  it("refuses a backup of another system than its record says", async () => {
    const { id } = await fixture.backup(fixture.primary);
    const backup = { ...(await fixture.record(id)), systemId: "123" };
    const pgdata = fixture.cluster.newPath("other");
    await expect(fixture.restore(id, pgdata, { backup })).rejects.toMatchObject({ kind: "Corrupt" });
    expect(await readdir(pgdata)).toEqual([]);
  });

  it("refuses a backup that is not complete", async () => {
    const common = { status: "failed", type: "full", tablespaces: [] } as const;
    const backup: BackupRecord = { id: "20261121T091500", ...common, error: "no space" };
    const pgdata = fixture.cluster.newPath("none");
    const restore = runRestore({ store: fixture.store, server: "pg", backup, pgdata, logger, signal });
    await expect(restore).rejects.toMatchObject({
      kind: "NotUsable",
      message: "backup 20261121T091500 is failed: no space",
    });
  });
});
