import { describe, expect, it } from "vitest";
import { parseLsn } from "#postgres/lsn.ts";
import { latestTarget, parseRecoveryTarget, type RecoveryTargetBlock } from "#postgres/recovery-target.ts";
import { parseHistory } from "#postgres/timeline.ts";
import type { BackupRecord, Catalog } from "./catalog.ts";
import { chooseBackup, type BackupChoice, type ChoiceInput } from "./choose-backup.ts";

const backup = (hour: string, lsn: string, more: Partial<BackupRecord> = {}): BackupRecord => ({
  id: `20261121T${hour}0000`,
  status: "done",
  type: "full",
  endTime: new Date(`2026-11-21T${hour}:10:00Z`),
  endLsn: parseLsn(lsn)!,
  timeline: 1,
  tablespaces: [],
  ...more,
});

const one = backup("01", "0/1000100");
const two = backup("02", "0/2000100");
const three = backup("03", "0/3000100", { timeline: 2 });
const failed = backup("04", "0/4000100", { status: "failed", error: "disk full", timeline: 2 });
const running: BackupRecord = { id: "20261121T050000", status: "incomplete", type: "full", tablespaces: [] };
const catalog: Catalog = {
  server: "pg",
  backups: [one, two, three, failed, running],
  unreadable: [{ id: "20261121T060000", error: "backup.info has no status" }],
};
/** Timeline 2 left 1 between the backups two and three. */
const histories = new Map([[2, parseHistory("1\t0/2800000\tpromoted\n")!]]);

const choose = (block: RecoveryTargetBlock, more: Partial<ChoiceInput> = {}): BackupChoice => {
  const parsed = parseRecoveryTarget(block);
  if (parsed.kind !== "target") throw new Error(JSON.stringify(parsed.violations));
  return chooseBackup({ catalog, target: parsed.target, ...more });
};

describe("the backup of a recovery", () => {
  it.each<[string, RecoveryTargetBlock, BackupRecord, string]>([
    ["all WAL", {}, three, "it is the newest backup, ended 2026-11-21T03:10:00.000Z at 0/3000100"],
    [
      "a time",
      { targetTime: "2026-11-21 02:30:00+00" },
      two,
      "it is the newest backup that ended by the target time 2026-11-21 02:30:00+00, ended 2026-11-21T02:10:00.000Z at 0/2000100",
    ],
    ["the very end of a backup", { targetTime: "2026-11-21T02:10:00Z" }, two, "it is the newest backup that ended by"],
    ["an LSN", { targetLSN: "0/2FFFFFF" }, two, "it is the newest backup that ended by the target LSN 0/2FFFFFF"],
    ["the LSN of a backup's end", { targetLSN: "0/3000100" }, three, "it is the newest backup that ended by"],
    ["a numbered timeline", { targetTLI: "1" }, two, "it is the newest backup, ended 2026-11-21T02"],
    ["the current timeline", { targetTLI: "current" }, three, "it is the newest backup, ended 2026-11-21T03"],
    ["the end of a backup", { targetImmediate: true }, three, "it is the newest backup, ended 2026-11-21T03"],
    ["a transaction", { targetXID: "77" }, three, "it may be after transaction 77, which only a backupID can rule out"],
    ["a name", { targetName: "v2" }, three, 'it may be after restore point "v2", which only a backupID can rule out'],
    ["its id", { backupID: "20261121T010000" }, one, "it is named by backupID"],
    [
      "its id and a name",
      { backupID: "20261121T010000", targetName: "v2", targetTLI: "1" },
      one,
      "it is named by backupID",
    ],
  ])("is found by %s", (_, block, expected, why) => {
    expect(choose(block)).toEqual({ kind: "chosen", backup: expected, why: expect.stringContaining(why) });
  });

  it.each<[string, RecoveryTargetBlock, BackupRecord]>([
    ["the latest timeline is reached from its own backups", {}, three],
    ["and from those of an ancestor before the switch", { targetTime: "2026-11-21 02:30:00+00" }, two],
    ["as is a numbered one", { targetTLI: "2", targetTime: "2026-11-21 02:30:00+00" }, two],
  ])("with the histories known, %s", (_, block, expected) => {
    expect(choose(block, { histories })).toMatchObject({ kind: "chosen", backup: expected });
  });

  it("is never one that ended after its timeline was left", () => {
    const early = new Map([[2, parseHistory("1\t0/1800000\tpromoted\n")!]]);
    expect(choose({ targetTime: "2026-11-21 02:30:00+00" }, { histories: early })).toMatchObject({ backup: one });
    expect(choose({ backupID: two.id }, { histories: early })).toEqual({
      kind: "refused",
      reason: "TimelineMismatch",
      why:
        "backup 20261121T020000 is on timeline 1, which does not lead to the latest timeline; those that do: " +
        "20261121T010000 (ended 2026-11-21T01:10:00.000Z at 0/1000100), 20261121T030000 (ended 2026-11-21T03:10:00.000Z at 0/3000100)",
      candidates: [one, three],
    });
  });

  it("may be on a timeline whose history file is gone", () => {
    const lost = backup("05", "0/5000100", { timeline: 3 });
    expect(choose({}, { catalog: { ...catalog, backups: [one, lost] }, histories })).toMatchObject({ backup: lost });
  });

  it("is not ruled out by a history file that cannot be right", () => {
    const wrong = new Map([[2, parseHistory("5\t0/1\tx\n")!]]);
    expect(choose({}, { histories: wrong })).toMatchObject({ backup: three });
    expect(choose({ targetTLI: "2" }, { histories: wrong })).toMatchObject({ backup: three });
  });
});

describe("no backup will do", () => {
  it.each<[string, RecoveryTargetBlock, string, string, readonly BackupRecord[]]>([
    [
      "for a time before the first",
      { targetTime: "2026-11-21T01:00:00Z" },
      "TargetBeforeBackup",
      "no backup ended by the target time 2026-11-21T01:00:00Z; the first to end after it: 20261121T010000 (ended 2026-11-21T01:10:00.000Z at 0/1000100)",
      [one, two, three],
    ],
    [
      "a microsecond before its end",
      { targetTime: "2026-11-21T02:09:59.999999Z", backupID: two.id },
      "TargetBeforeBackup",
      "backup 20261121T020000 ended 2026-11-21T02:10:00.000Z at 0/2000100, after the target time 2026-11-21T02:09:59.999999Z; those that ended before: 20261121T010000",
      [one],
    ],
    [
      "for an LSN before the first",
      { targetLSN: "0/1000000" },
      "TargetBeforeBackup",
      "no backup ended by the target LSN 0/1000000",
      [one, two, three],
    ],
    [
      "for a timeline without backups",
      { targetTLI: "7" },
      "TimelineMismatch",
      "no backup leads to timeline 7; the newest: 20261121T030000",
      [three, two, one],
    ],
    [
      "of this id",
      { backupID: "20261121T023000" },
      "UnknownBackup",
      "server pg has no backup 20261121T023000; usable: 20261121T020000 (ended 2026-11-21T02:10:00.000Z at 0/2000100), 20261121T030000",
      [two, three, one],
    ],
    [
      "after the last",
      { backupID: "20991231T000000" },
      "UnknownBackup",
      "server pg has no backup 20991231T000000; usable: 20261121T030000",
      [three, two, one],
    ],
    [
      "when it failed",
      { backupID: failed.id },
      "BackupNotUsable",
      "backup 20261121T040000 is failed: disk full; usable: 20261121T030000",
      [three, two, one],
    ],
    [
      "while it runs",
      { backupID: running.id },
      "BackupNotUsable",
      "backup 20261121T050000 is incomplete; usable",
      [three, two, one],
    ],
    [
      "when it cannot be read",
      { backupID: "20261121T060000" },
      "BackupNotUsable",
      "backup 20261121T060000 cannot be read: backup.info has no status; usable",
      [three, two, one],
    ],
  ])("%s", (...[, block, reason, why, candidates]) => {
    expect(choose(block)).toEqual({ kind: "refused", reason, why: expect.stringContaining(why), candidates });
  });

  const empty: Catalog = { server: "pgg", backups: [], unreadable: [] };

  it("in a server that the store does not have: the others are named", () => {
    const servers = Array.from({ length: 12 }, (_, index) => `s${index + 1}`);
    const target = latestTarget;
    expect(chooseBackup({ catalog: empty, target, servers })).toEqual({
      kind: "refused",
      reason: "UnknownServer",
      why: "server pgg is not in the store; it holds s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, and 2 more",
      candidates: [],
    });
    expect(chooseBackup({ catalog: empty, target, servers: [] })).toMatchObject({
      why: "server pgg is not in the store; it holds no server at all",
    });
    expect(choose({ backupID: "x" }, { catalog: empty, servers: ["pg"] })).toMatchObject({
      why: "server pgg is not in the store; it holds pg",
    });
  });

  it("in a server that has none, or none that is finished", () => {
    expect(choose({}, { catalog: empty, servers: ["pgg"] })).toMatchObject({
      reason: "NoBackup",
      why: "server pgg has no finished backup",
    });
    expect(choose({}, { catalog: empty })).toMatchObject({ reason: "NoBackup" });
    const unfinished = { ...catalog, backups: [failed, running] };
    expect(choose({}, { catalog: unfinished, servers: [] })).toMatchObject({
      reason: "NoBackup",
      why: "server pg has no finished backup (1 failed, 1 incomplete, 1 unreadable)",
    });
    expect(choose({ backupID: "20261121T010000" }, { catalog: unfinished })).toMatchObject({
      why: "server pg has no backup 20261121T010000; usable: none",
    });
  });

  it("by time when its own end is not known well enough", () => {
    const { timeline: _, ...untimed } = two;
    const { endLsn: __, ...unplaced } = one;
    const bare = { ...catalog, backups: [unplaced, untimed] };
    expect(choose({ targetTLI: "1" }, { catalog: bare })).toMatchObject({ backup: unplaced });
    expect(choose({ targetLSN: "0/9000000", targetTLI: "1" }, { catalog: bare })).toMatchObject({ kind: "refused" });
  });
});

describe("a catalog with backups from before a major upgrade", () => {
  const on15 = backup("01", "0/1000100", { postgresMajor: 15 });
  const on17 = backup("03", "0/3000100", { postgresVersion: 170_002 });
  const both = { catalog: { ...catalog, backups: [on15, on17] } };
  const at2: RecoveryTargetBlock = { targetTime: "2026-11-21 02:30:00+00" };

  it("gives each PostgreSQL the newest of its own, and any where its version is not known", () => {
    expect(choose({}, { ...both, postgresMajor: 15 })).toMatchObject({ backup: on15 });
    expect(choose({}, { ...both, postgresMajor: 17 })).toMatchObject({ backup: on17 });
    expect(choose(at2, both)).toMatchObject({ backup: on15 });
    expect(choose({}, { ...both, catalog, postgresMajor: 17 })).toMatchObject({ backup: three });
  });

  it("says which version would do", () => {
    expect(choose(at2, { ...both, postgresMajor: 17 })).toMatchObject({
      reason: "TargetBeforeBackup",
      why: expect.stringMatching(/^no backup but 20261121T010000 of PostgreSQL 15 ended by .*: 20261121T030000 /),
    });
    expect(choose({ backupID: on15.id }, { ...both, postgresMajor: 17 })).toMatchObject({
      reason: "VersionMismatch",
      why: expect.stringMatching(/^backup 20261121T010000 is of PostgreSQL 15, and this cluster is to run 17; .*T03/),
    });
    expect(choose({}, { ...both, postgresMajor: 18 })).toMatchObject({
      reason: "VersionMismatch",
      why: expect.stringMatching(/^no backup is of PostgreSQL 18, which this cluster is to run; the newest: .*T03/),
    });
  });
});
