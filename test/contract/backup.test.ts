// Base backups of real PostgreSQL servers on a real S3 server: made under load, restored, started, counted.
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { BackupProgress } from "#engine/backup/run.ts";
import { formatMicros, parseMoment } from "#postgres/timestamp.ts";
import type { Server } from "./backup-cluster.ts";
import { isConsistent, poll, useBackups } from "./backup-fixture.ts";

const fixture = useBackups();

describe("a base backup", () => {
  it.each(["none", "gzip"])("made under load restores every row, compression %s", async (compression) => {
    const { cluster, primary } = fixture;
    const load = cluster.program("pgbench", ["-n", "-T", "4", "-c", "2", ...fixture.place]);
    const outcome = await fixture.backup(primary, { compression });
    await load;
    const rows = await primary.value("SELECT count(*) FROM public.pgbench_history");
    await fixture.archiveAll();
    const recovered = await fixture.recover(outcome.id);
    expect(await recovered.value("SELECT count(*) FROM public.pgbench_history")).toBe(rows);
    expect(await recovered.value(isConsistent)).toBe("t");
  });

  it("is told by the outcome as by its record", async () => {
    const { primary } = fixture;
    const outcome = await fixture.backup(primary, { name: "nightly" });
    expect(await fixture.record(outcome.id)).toEqual({
      id: outcome.id,
      name: "nightly",
      status: "done",
      type: "full",
      beginTime: outcome.startedAt,
      endTime: expect.any(Date),
      beginWal: outcome.beginWal,
      endWal: outcome.endWal,
      beginLsn: outcome.beginLsn,
      endLsn: outcome.endLsn,
      timeline: 1,
      systemId: await primary.value("SELECT system_identifier FROM pg_control_system()"),
      postgresVersion: Number(await primary.value("SHOW server_version_num")),
      segmentBytes: 16 * 1024 * 1024,
      sizeBytes: outcome.sizeBytes,
      storedBytes: outcome.storedBytes,
      tablespaces: [],
    });
    expect(await fixture.namesUnder(`pg/base/${outcome.id}/`)).toEqual(["backup.info", "data.tar"]);
    expect(outcome.label).toContain(`LABEL: Holdfast backup ${outcome.id}`);
  });

  it("closes the segment it ends in, so that an idle primary's backup completes", async () => {
    const { endWal } = await fixture.backup(fixture.primary);
    expect(await fixture.namesUnder(`pg/wals/${endWal.slice(0, 16)}/${endWal}`)).toContain(endWal);
  });

  it("takes the next second when another backup has its id", async () => {
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) ids.push((await fixture.backup(fixture.primary)).id);
    expect(new Set(ids).size).toBe(3);
  });

  it("tells its progress", async () => {
    const told: BackupProgress[] = [];
    const outcome = await fixture.backup(fixture.primary, { onProgress: (progress) => told.push(progress) });
    expect(told.at(-1)).toMatchObject({ bytesDone: outcome.sizeBytes, bytesTotal: expect.any(Number) });
    expect(told.every(({ bytesDone, bytesTotal }) => bytesDone <= bytesTotal)).toBe(true);
  });

  it("is divided when it is larger than one archive may be", async () => {
    const outcome = await fixture.backup(fixture.primary, { maxArchiveBytes: 15_000_000 });
    const volumes = await fixture.namesUnder(`pg/base/${outcome.id}/data`);
    expect(volumes.slice(0, 3)).toEqual(["data.tar", "data_0001.tar", "data_0002.tar"]);
    expect(await (await fixture.recover(outcome.id)).value(isConsistent)).toBe("t");
  });

  it("copies a file that changes its size as long as it was when it was opened", async () => {
    const file = join(fixture.primary.pgdata, "changing");
    await writeFile(file, Buffer.alloc(40_000_000, "x"));
    let isShort = false;
    const store = fixture.withUploads(async () => {
      if (!isShort) await truncate(file, 1_000);
      isShort = true;
    });
    const outcome = await fixture.backup(fixture.primary, { store });
    expect(await (await fixture.recover(outcome.id)).value(isConsistent)).toBe("t");
  });

  it("restores to a moment, and says before whether that moment can be reached", async () => {
    const { primary } = fixture;
    const outcome = await fixture.backup(primary);
    await primary.query("CREATE TABLE public.moments (name text)");
    await primary.query("INSERT INTO public.moments VALUES ('before')");
    const now = `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    const target = await primary.value(`SELECT ${now}`);
    await primary.query("INSERT INTO public.moments VALUES ('after')");
    await fixture.archiveAll();
    await poll(async () => (await fixture.preview({ targetTime: target })).kind === "reachable");

    const late = formatMicros((parseMoment(target) ?? 0n) + 3_600_000_000n);
    expect(await fixture.preview({ targetTime: late })).toMatchObject({
      kind: "unreachable",
      reason: "TargetAfterArchive",
      message: expect.stringContaining(`recovery target ${late} is after the newest commit in the archive, `),
    });
    expect(await fixture.preview({ targetTime: "2020-01-01T00:00:00Z" })).toMatchObject({
      kind: "unreachable",
      reason: "TargetBeforeBackup",
    });

    const settings = { recovery_target_time: target.replace("T", " ").replace("Z", "+00") };
    const recovered = await fixture.recover(outcome.id, settings);
    expect(await recovered.query("SELECT name FROM public.moments")).toEqual([{ name: "before" }]);
  });
});

describe("a backup of a standby", () => {
  let standby: Server;

  beforeEach(async () => {
    const seed = await fixture.backup(fixture.primary);
    standby = await fixture.follow(seed.id, fixture.primary);
  });

  /** Moves the end of any backup of the standby into a segment that is open at the primary. */
  async function openSegment(): Promise<string> {
    const { primary } = fixture;
    await fixture.archiveAll();
    await primary.query("CREATE TABLE public.in_open_segment AS SELECT 1");
    await primary.query("DROP TABLE public.in_open_segment");
    await primary.query("CHECKPOINT");
    const end = await primary.value("SELECT pg_current_wal_insert_lsn()");
    await poll(async () => (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${end}'`)) === "t");
    await standby.query("CHECKPOINT");
    return await primary.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
  }

  it("asks for a switch of the primary's WAL and restores", async () => {
    const asked: bigint[] = [];
    const open = await openSegment();
    const outcome = await fixture.backup(standby, {
      requestWalSwitch: async (lsn) => {
        asked.push(lsn);
        await fixture.primary.query("SELECT pg_switch_wal()");
      },
    });
    expect(outcome).toMatchObject({ fromStandby: true, timeline: 1, endWal: open });
    expect(asked).toEqual([outcome.endLsn]);
    expect(outcome.label).toContain("BACKUP FROM: standby");
    expect(await (await fixture.recover(outcome.id)).value(isConsistent)).toBe("t");
  });

  it("tells which segment it waits for, and fails when that never reaches the archive", async () => {
    const told: BackupProgress[] = [];
    const open = await openSegment();
    const options = { walDeadlineMs: 1_500, onProgress: (progress: BackupProgress) => void told.push(progress) };
    await expect(fixture.backup(standby, options)).rejects.toMatchObject({
      kind: "WalMissing",
      message: `wal that the backup needs did not reach the archive within 2 s: ${open}`,
    });
    expect(told.at(-1)?.waitingForSegment).toBe(open);
    expect((await fixture.records()).at(-1)).toMatchObject({ status: "failed", error: expect.stringContaining(open) });
  });

  it("fails when the standby is promoted meanwhile", async () => {
    const store = fixture.withUploads(async () => {
      if ((await standby.value("SELECT pg_is_in_recovery()")) === "t") await standby.query("SELECT pg_promote()");
    });
    await expect(fixture.backup(standby, { store })).rejects.toMatchObject({
      kind: "Promoted",
      message: "the standby was promoted while it was backed up",
    });
  });
});
