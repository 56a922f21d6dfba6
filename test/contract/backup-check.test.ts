// The look at a backup that was just written, and its removal, on a real backup of a real PostgreSQL in a real MinIO.
import { describe, expect, it } from "vitest";
import { checkBackup, type BackupCheck } from "#engine/verify/check.ts";
import { backupInfoKey } from "#repository/barman/layout.ts";
import { signal, useBackups } from "./backup-fixture.ts";

const fixture = useBackups();
const check = (id: string): Promise<BackupCheck> =>
  checkBackup({ repository: fixture.repository, server: "pg", id, signal });
const remove = (key: string): Promise<void> => fixture.store.delete([key], { signal });
const segmentKey = (name: string): string => `pg/wals/${name.slice(0, 16)}/${name}`;

describe("a backup that was just written", () => {
  it("is whole, compressed or not, in one volume or several", async () => {
    for (const options of [{}, { compression: "gzip" }, { maxArchiveBytes: 15_000_000 }]) {
      const { id } = await fixture.backup(fixture.primary, options);
      expect(await check(id)).toMatchObject({ kind: "whole", record: { id, status: "done" } });
    }
  });

  it("is broken without its backup.info, and without anything", async () => {
    const { id } = await fixture.backup(fixture.primary);
    await remove(backupInfoKey("pg", id));
    expect(await check(id)).toMatchObject({ kind: "broken", reason: "MissingMetadata" });
    await remove(`pg/base/${id}/data.tar`);
    expect(await check(id)).toMatchObject({ kind: "broken", reason: "MissingData" });
  });

  it("is broken when its data is gone or has another size", async () => {
    const { id } = await fixture.backup(fixture.primary, { maxArchiveBytes: 15_000_000 });
    await remove(`pg/base/${id}/data_0001.tar`);
    expect(await check(id)).toMatchObject({ kind: "broken", reason: "MissingData" });
    const other = await fixture.backup(fixture.primary);
    await fixture.store.put(`pg/base/${other.id}/data.tar`, Buffer.from("cut off"), { signal });
    const message = `backup ${other.id} is not whole: its data has 7 bytes, and ${other.storedBytes} were stored`;
    expect(await check(other.id)).toMatchObject({ kind: "broken", reason: "MissingData", message });
  });

  it("is broken without any of its WAL, whatever else is in the archive", async () => {
    const { id, beginWal, endWal } = await fixture.backup(fixture.primary);
    await fixture.archiveAll();
    await remove(segmentKey(endWal));
    expect(await check(id)).toMatchObject({
      kind: "broken",
      reason: "MissingWAL",
      message: expect.stringContaining(endWal),
    });
    await fixture.store.put(`${segmentKey(endWal)}.gz`, Buffer.from("x"), { signal });
    if (beginWal !== endWal) await fixture.store.put(segmentKey(beginWal), Buffer.from("x"), { signal });
    expect(await check(id), "any suffix will do").toMatchObject({ kind: "whole" });
  });

  it("is removed with its data and leaves WAL and other backups as they are", async () => {
    const first = await fixture.backup(fixture.primary, { maxArchiveBytes: 15_000_000 });
    const second = await fixture.backup(fixture.primary);
    // Whatever PostgreSQL still had to archive is in the store by then.
    await fixture.archiveAll();
    const wal = await fixture.namesUnder("pg/wals/");
    expect(await fixture.repository.removeBackup("pg", first.id, { signal })).toBeGreaterThan(2);
    expect(await fixture.namesUnder(`pg/base/${first.id}/`)).toEqual([]);
    expect(await fixture.namesUnder("pg/wals/")).toEqual(wal);
    expect(await check(second.id)).toMatchObject({ kind: "whole" });
    expect(await fixture.repository.removeBackup("pg", first.id, { signal })).toBe(0);
  });
});
