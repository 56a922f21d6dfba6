// What every implementation of the Repository port must do, on archives and backups that a real PostgreSQL filled. Each
// engine has a file of its own that runs this, and adds what only it can show.
import { describe, expect, it } from "vitest";
import { previewRecovery } from "#engine/restore/preview.ts";
import { checkBackup } from "#engine/verify/check.ts";
import { formatLsn } from "#postgres/lsn.ts";
import type { RecoveryTargetBlock } from "#postgres/recovery-target.ts";
import { defaultSegmentBytes, nextSegment, parseSegmentName, type SegmentName } from "#postgres/segment.ts";
import { recoveryWindow } from "#repository/recovery-window.ts";
import type { Repository } from "#repository/repository.ts";
import type { Server } from "./backup-cluster.ts";
import { poll } from "./backup-fixture.ts";

export interface TestArchive {
  readonly repository: Repository;
  readonly server: string;
  readonly primary: Server;
  /** Makes the archive ready for WAL; before it, there is nothing of this server. */
  begin(): Promise<void>;
  /** A full backup by the engine's own means, with its WAL in the archive; resolves to its id. */
  backup(): Promise<string>;
  /** Everything that was written so far is in the archive when this resolves. */
  archiveAll(): Promise<void>;
  putHistory(timeline: number, content: string): Promise<void>;
  /** Takes a segment out of the archive. */
  loseSegment(name: string): Promise<void>;
  /** Takes the files of a backup away and leaves what tells of it. */
  loseData(id: string): Promise<void>;
  /** Spoils what tells of a backup. */
  spoilMetadata(id: string): Promise<void>;
  /** The same place, behind an endpoint where nobody listens. */
  unreachable(): Promise<Repository>;
}

const signal = AbortSignal.timeout(900_000);

/** Of the port, what needs no backup. */
export function walSuite(open: () => Promise<TestArchive>): void {
  it("has nothing of a server that never archived", async () => {
    const { repository, server } = await open();
    const wanted = ["000000010000000000000001", "00000002.history"];
    expect(await repository.servers({ signal })).toEqual([]);
    expect(await repository.catalog(server, { signal })).toEqual({ server, backups: [], unreadable: [] });
    expect(await repository.newestWal(server, { signal })).toBeUndefined();
    expect(await repository.owner(server, { signal })).toBeUndefined();
    expect(await repository.missingFiles(server, wanted, { signal })).toEqual(wanted);
    expect(await repository.historyTimelines(server, { signal })).toEqual([]);
    expect(await repository.history(server, 2, { signal })).toBeUndefined();
    expect(await repository.contents(server, "20260101-000000F", { signal })).toEqual({ hasData: false });
  });

  it("names the segments that are missing, and no other", async () => {
    const archive = await open();
    const { repository, server } = archive;
    await archive.begin();
    const first = await writeSegment(archive);
    const middle = await writeSegment(archive);
    const last = await writeSegment(archive);
    const range = { first, last, segmentBytes: defaultSegmentBytes };
    expect(await repository.missingSegments(server, range, { signal })).toEqual({ names: [], count: 0 });
    await archive.loseSegment(middle);
    expect(await repository.missingSegments(server, range, { signal })).toEqual({ names: [middle], count: 1 });
    const after = nextSegment(last, defaultSegmentBytes);
    const wanted = [first, middle, last, after, "00000007.history"];
    expect(await repository.missingFiles(server, wanted, { signal })).toEqual([middle, after, "00000007.history"]);
    // The end of the next 4 GiB: through several folders of the archive.
    const far = parseSegmentName(`${first.slice(0, 15)}9${first.slice(16)}`)!;
    const wide = await repository.missingSegments(server, { ...range, last: far }, { signal });
    expect(wide.count).toBe(9 * 256 + 1 - 2);
    expect(wide.names).toHaveLength(100);
    expect(wide.names.slice(0, 2)).toEqual([middle, after]);
  });

  it("reads the histories of timelines", async () => {
    const archive = await open();
    const { repository, server } = archive;
    await archive.begin();
    await archive.putHistory(2, "1\t0/3000000\tno recovery target specified\n");
    await archive.putHistory(10, "1\t0/3000000\tno recovery target specified\n2\t0/5000028\tbefore noon\n");
    expect(await repository.historyTimelines(server, { signal })).toEqual([2, 10]);
    expect(await repository.history(server, 10, { signal })).toEqual([
      { timeline: 1, lsn: 0x3000000n, reason: "no recovery target specified" },
      { timeline: 2, lsn: 0x5000028n, reason: "before noon" },
    ]);
    expect(await repository.history(server, 3, { signal })).toBeUndefined();
  });
}

export function repositorySuite(name: string, open: () => Promise<TestArchive>): void {
  describe(`repository: ${name}`, () => {
    walSuite(open);

    it("lists finished backups, oldest first, with where they begin and end", async () => {
      const archive = await open();
      const { repository, server, primary } = archive;
      await archive.begin();
      const [first, second] = [await archive.backup(), await archive.backup()];
      const { backups, unreadable } = await repository.catalog(server, { signal });
      expect(unreadable).toEqual([]);
      expect(backups.map(({ id }) => id)).toEqual([first, second]);
      for (const backup of backups) {
        expect(backup).toMatchObject({ status: "done", type: "full", timeline: 1, segmentBytes: defaultSegmentBytes });
        expect(backup.systemId).toBe(await primary.value("SELECT system_identifier FROM pg_control_system()"));
        expect(backup.sizeBytes).toBeGreaterThan(20_000_000);
        expect(backup.storedBytes).toBeGreaterThan(1_000_000);
        const place = await primary.value(`SELECT pg_walfile_name('${formatLsn(backup.beginLsn!)}')`);
        expect(backup.beginWal).toBe(place);
        expect(backup.beginTime! <= backup.endTime!).toBe(true);
        expect(await repository.holds(server, backup.id, { signal })).toEqual([]);
        expect(await checkBackup({ repository, server, id: backup.id, signal })).toMatchObject({ kind: "whole" });
      }
      expect(backups[0]!.endLsn! < backups[1]!.beginLsn!).toBe(true);
      expect(await repository.servers({ signal })).toEqual([server]);
    });

    it("tells of the end of the archive and of its newest commit, from which the window comes", async () => {
      const archive = await open();
      const { repository, server, primary } = archive;
      await archive.begin();
      await archive.backup();
      await whenOver(archive);
      await primary.query("CREATE TABLE IF NOT EXISTS public.moments (at timestamptz)");
      await primary.query("INSERT INTO public.moments VALUES (clock_timestamp())");
      const committed = Number(await primary.value("SELECT extract(epoch FROM max(at)) * 1000 FROM public.moments"));
      const segment = await primary.value("SELECT pg_walfile_name(pg_current_wal_lsn())");
      await archive.archiveAll();
      const newest = await repository.newestWal(server, { signal });
      expect(newest).toMatchObject({ name: segment });
      expect(newest).not.toHaveProperty("commitTimeUnknown");
      const time = Number(newest!.commitTime! / 1000n);
      expect(time).toBeGreaterThanOrEqual(Math.floor(committed));
      expect(time).toBeLessThan(committed + 5_000);
      expect(newest!.bytes).toBeGreaterThan(0);
      expect(newest!.storedAt.getTime()).toBeGreaterThan(committed - 5_000);
      expect(await repository.newestWal(server, { signal, known: newest! })).toEqual(newest);
      const catalog = await repository.catalog(server, { signal });
      const { windowFrom, latestTargetTime } = recoveryWindow({ catalog, newestWal: newest });
      expect(windowFrom).toEqual(catalog.backups[0]!.endTime);
      expect(latestTargetTime! >= windowFrom!).toBe(true);
    });

    it("shows what a recovery can reach", async () => {
      const archive = await open();
      const { repository, server, primary } = archive;
      await archive.begin();
      const id = await archive.backup();
      await whenOver(archive);
      await primary.query("CREATE TABLE IF NOT EXISTS public.moments (at timestamptz)");
      await primary.query("INSERT INTO public.moments VALUES (now())");
      const moment = await primary.value("SELECT max(at) + interval '1 microsecond' FROM public.moments");
      await primary.query("INSERT INTO public.moments VALUES (now())");
      await archive.archiveAll();
      const lost = await writeSegment(archive);
      await writeSegment(archive);
      const preview = (target?: RecoveryTargetBlock) => previewRecovery({ repository, server, target, signal });
      expect(await preview()).toMatchObject({ kind: "reachable", backup: { id } });
      expect(await preview({ targetTime: new Date(moment).toISOString() })).toMatchObject({ kind: "reachable" });
      expect(await preview({ targetTime: "2020-01-01T00:00:00Z" })).toMatchObject({ reason: "TargetBeforeBackup" });
      expect(await preview({ targetTime: "2100-01-01T00:00:00Z" })).toMatchObject({ reason: "TargetAfterArchive" });
      expect(await preview({ backupID: "20200101-000000F" })).toMatchObject({ reason: "UnknownBackup" });
      await archive.loseSegment(lost);
      expect(await preview()).toMatchObject({ kind: "unknown", why: expect.stringContaining(lost) });
    });

    it("tells when a backup's WAL, its files or what tells of it is gone", async () => {
      const archive = await open();
      const { repository, server } = archive;
      await archive.begin();
      const ids = [await archive.backup(), await archive.backup(), await archive.backup()] as const;
      const check = (id: string) => checkBackup({ repository, server, id, signal });
      const { endWal } = (await repository.contents(server, ids[0], { signal })).record!;
      await archive.loseSegment(endWal!);
      expect(await check(ids[0])).toMatchObject({ reason: "MissingWAL", message: expect.stringContaining(endWal!) });
      await archive.loseData(ids[1]);
      expect(await check(ids[1])).toMatchObject({ kind: "broken", reason: "MissingData" });
      await archive.spoilMetadata(ids[2]);
      expect(await check(ids[2])).toMatchObject({ kind: "broken", reason: "MetadataUnreadable" });
    });

    it("removes one backup, leaves WAL and other backups as they are, and may be asked again", async () => {
      const archive = await open();
      const { repository, server } = archive;
      await archive.begin();
      const [first, second] = [await archive.backup(), await archive.backup()];
      const { beginWal } = (await repository.contents(server, first, { signal })).record!;
      const { name: last } = (await repository.newestWal(server, { signal }))!;
      expect(await repository.removeBackup(server, first, { signal })).toBeGreaterThan(0);
      expect((await repository.catalog(server, { signal })).backups.map(({ id }) => id)).toEqual([second]);
      expect(await repository.contents(server, first, { signal })).toEqual({ hasData: false });
      const range = { first: beginWal!, last, segmentBytes: defaultSegmentBytes };
      expect(await repository.missingSegments(server, range, { signal })).toMatchObject({ count: 0 });
      expect(await checkBackup({ repository, server, id: second, signal })).toMatchObject({ kind: "whole" });
      expect(await repository.removeBackup(server, first, { signal })).toBe(0);
    });

    it("throws when the store is away, and never says that there is nothing", async () => {
      const archive = await open();
      await archive.begin();
      const id = await archive.backup();
      const { server } = archive;
      const away = await archive.unreachable();
      const range = {
        first: parseSegmentName("000000010000000000000001")!,
        last: parseSegmentName("000000010000000000000002")!,
        segmentBytes: defaultSegmentBytes,
      };
      const questions = [
        () => away.servers({ signal }),
        () => away.catalog(server, { signal }),
        () => away.newestWal(server, { signal }),
        () => away.missingSegments(server, range, { signal }),
        () => away.missingFiles(server, [range.first], { signal }),
        () => away.contents(server, id, { signal }),
        () => away.holds(server, id, { signal }),
        () => away.removeBackup(server, id, { signal }),
        () => away.history(server, 2, { signal }),
        () => away.historyTimelines(server, { signal }),
        () => away.owner(server, { signal }),
      ];
      await Promise.all(
        questions.map((ask) =>
          expect(ask()).rejects.toMatchObject({ name: "StoreError", kind: "EndpointUnreachable" }),
        ),
      );
    });
  });
}

/** Waits until it is later than the end of the newest backup, which an engine may keep in whole seconds only. */
async function whenOver({ repository, server }: TestArchive): Promise<void> {
  const end = (await repository.catalog(server, { signal })).backups.at(-1)?.endTime ?? new Date(0);
  await poll(() => Promise.resolve(Date.now() > end.getTime() + 1));
}

/** Fills the rest of a segment; resolves to its name when it is in the archive. */
export async function writeSegment(archive: TestArchive): Promise<SegmentName> {
  const { primary } = archive;
  await primary.query("CREATE TABLE IF NOT EXISTS public.moments (at timestamptz)");
  await primary.query("INSERT INTO public.moments VALUES (now())");
  const name = await primary.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
  await archive.archiveAll();
  return parseSegmentName(name)!;
}
