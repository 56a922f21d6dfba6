import { describe, expect, it } from "vitest";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { SegmentName } from "#postgres/segment.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { Problem } from "../opening-problem.ts";
import { newWarning } from "../archive/conditions.ts";
import { away, content, looked, plan, record, report, repository, segment, stanza, verdict } from "./plan-fixture.ts";
import type { ObservedRepository } from "./terms.ts";

describe("a Stanza", () => {
  it("can be used before it has anything, and says what makes the stanza", () => {
    const empty = content([], { systemId: undefined as never });
    const planned = plan(looked(repository(1, { state: "NoStanza", content: empty })));
    expect(verdict(planned, "Ready")).toMatchObject({ status: "True", reason: "Succeeded" });
    expect(verdict(planned, "Ready")?.message).toContain("first WAL");
    expect(verdict(planned, "StanzaCreated")).toMatchObject({ status: "False", reason: "NoStanza" });
    expect(planned.archives).toEqual([]);
  });

  it("counts its backups by type and tells first and last in the words of before", () => {
    const chain = [record("F", 1), record("F_D", 1, { type: "diff", prior: "F" }), record("F_I", 1, { type: "incr" })];
    const { facts } = plan(looked(repository(1, { content: content(chain) })));
    expect(facts).toMatchObject({
      backupSummary: "1/1/1",
      repositorySummary: "1/1",
      systemID: "7",
      backupsCount: { Full: 1, Diff: 1, Incr: 1 },
      recoveryWindow: { firstBackup: { label: "F" }, lastBackup: { timestamp: { start: 10, stop: 20 } } },
      repositories: [{ key: 1, state: "Ok", full: 1, diff: 1, incr: 1, backupBytes: 3072, lastWal: segment(9) }],
    });
  });

  it("is not redundant with one repository, whatever else is well", () => {
    const planned = plan(looked(repository(1)));
    expect(verdict(planned, "Redundant")).toMatchObject({ status: "False", reason: "SingleRepository" });
    expect(verdict(planned, "Ready")).toMatchObject({ status: "True" });
    expect(verdict(plan(looked(repository(1), repository(2))), "Redundant")).toMatchObject({ status: "True" });
  });

  it("is not redundant while a repository has no full backup: the loss of the other would leave nothing to restore", () => {
    const bare = repository(2, { state: "NoBackup", content: content([]) });
    const failed = repository(2, { content: content([record("F", 2, { status: "failed" })]) });
    for (const second of [bare, failed])
      expect(verdict(plan(looked(repository(1), second)), "Redundant")).toEqual({
        type: "Redundant",
        status: "False",
        reason: "NoBackup",
        message: "repository 2 has no full backup: make one with selectedRepository: 2",
      });
  });

  it("tells when pg_wal is full while a repository is away, and only then", () => {
    const primary = report({ currentLSN: "0/4000000", freeBytes: 12 * 1024 ** 3 });
    const walBefore = { atMs: Date.parse("2026-11-21T11:58:30Z"), lsn: 0n };
    const clusters = [{ name: "pg", report: primary }];
    const down = plan(looked(repository(1), away(2)), { clusters, walBefore });
    expect(verdict(down, "Redundant")).toEqual({
      type: "Redundant",
      status: "False",
      reason: "RepositoryDown",
      message:
        "repository 2 cannot be read: WAL waits in pg_wal until every repository takes it; pg_wal is full in about 3 h at the current rate",
    });
    const well = plan(looked(repository(1), repository(2)), { clusters, walBefore });
    expect(JSON.stringify(well.verdicts)).not.toContain("pg_wal is full");
  });

  it("calls a repository late only when it lacks what another had at the look before", () => {
    const late = repository(2, { content: content([record("F", 2)], { newestWal: segment(7) }) });
    expect(verdict(plan(looked(repository(1), late)), "Redundant")).toMatchObject({ status: "True" });
    const row = (lastWal: string) => ({ key: 1, type: "s3", location: "s3://b/r1", state: "Ok", lastWal }) as const;
    const again = (lastWal: string) =>
      plan(looked(repository(1), late), { stanza: stanza({ repositories: [row(lastWal)] }) });
    expect(verdict(again(segment(7)), "Redundant")).toMatchObject({ status: "True" });
    expect(verdict(again(segment(8)), "Redundant")).toMatchObject({ status: "False", reason: "RepositoryBehind" });
  });

  it("names WAL that was given up, and asks for the full backup that makes up for it", () => {
    const gap = { segment: segment(5), repositories: [2], at: "2026-11-21T11:00:00Z" };
    const clusters = [{ name: "pg", report: report({ gaps: [gap] }) }];
    const behind = (beginWal: SegmentName) => repository(2, { content: content([record("F", 2, { beginWal })]) });
    const seen = (second: ObservedRepository) =>
      verdict(plan(looked(repository(1), second), { clusters }), "Redundant");
    expect(seen(behind(segment(3)))).toMatchObject({ status: "False", reason: "WALGap" });
    expect(seen(behind(segment(3)))?.message).toMatch(/repository 2 lacks segment \w+05, .*selectedRepository: 2$/);
    expect(seen(behind(segment(6)))).toMatchObject({ status: "True" });
  });

  it("is not continuous while a repository has a gap, can be used all the same, and asks for the backup itself", () => {
    const gap = { segment: segment(5), repositories: [2], at: "2026-11-21T11:00:00Z" };
    const clusters = [{ name: "pg", report: report({ gaps: [gap] }) }];
    const gapped = plan(looked(repository(1), repository(2)), { clusters });
    expect(verdict(gapped, "WALContinuous")).toMatchObject({
      status: "False",
      reason: "WALGap",
      message: expect.stringMatching(/^repository 2 lacks segment \w+05,.* selectedRepository: 2$/) as string,
    });
    expect(verdict(gapped, "Ready")).toMatchObject({ status: "True" });
    expect(gapped.newGaps).toMatchObject([{ key: 2 }]);
    expect(gapped.gapBackups).toMatchObject([{ kind: "create", repository: 2 }]);
    const problem: Problem = { kind: "refused", reason: "SecretNotFound", message: "secret minio does not exist" };
    const unopened = plan({ kind: "unopened", problem }, { stanza: stanza(gapped.facts) });
    expect(verdict(unopened, "WALContinuous")).toEqual(verdict(gapped, "WALContinuous"));
    expect(unopened.facts.repositories?.[1]?.gap).toEqual(gapped.facts.repositories?.[1]?.gap);
    expect(unopened).toMatchObject({ newGaps: [], gapBackups: [] });
    expect(verdict(plan(looked(repository(1), repository(2))), "WALContinuous")).toBeUndefined();
  });

  it("reaches back over no WAL that every repository lacks", () => {
    const backups = [
      record("A", 1, { beginWal: segment(2), endWal: segment(3), endTime: new Date("2026-11-18T00:00:00Z") }),
      record("B", 1, { beginWal: segment(6), endWal: segment(7), endTime: new Date("2026-11-19T00:00:00Z") }),
    ];
    const look = { ...looked(repository(1, { content: content(backups) })), end: { name: segment(9) } };
    const from = (repositories: number[]) => {
      const gap = { segment: segment(5), repositories, at: "2026-11-21T11:00:00Z" };
      return plan(look, { clusters: [{ name: "pg", report: report({ gaps: [gap] }) }] }).facts;
    };
    expect(from([])).toMatchObject({ windowFrom: "2026-11-18T00:00:00Z", windowTo: "2026-11-19T00:00:00Z" });
    expect(from([1])).toMatchObject({
      windowFrom: "2026-11-19T00:00:00Z",
      repositories: [{ windowFrom: "2026-11-19T00:00:00Z" }],
    });
  });

  describe("with retention that removed WAL between two backups", () => {
    const backups = (key: number) => [
      record("A", key, { beginWal: segment(2), endWal: segment(3), endTime: new Date("2026-11-18T00:00:00Z") }),
      record("B", key, { beginWal: segment(6), endWal: segment(7), endTime: new Date("2026-11-19T00:00:00Z") }),
    ];
    const lacking = (key: number, first: number, last: number) =>
      repository(key, {
        content: content(backups(key), {
          continuity: { between: [{ first: segment(first), last: segment(last) }], listedFor: "" },
        }),
      });
    const facts = (...repositories: ObservedRepository[]) =>
      plan({ ...looked(...repositories), end: { name: segment(9) } });
    const [whole, late] = ["2026-11-18T00:00:00Z", "2026-11-19T00:00:00Z"];

    it("begins behind that, in the row and in the Archive too, while the older backup still counts", () => {
      const seen = facts(lacking(1, 4, 5));
      expect(seen.facts.walGaps).toBe(`repo1: ${segment(4)} to ${segment(5)}`);
      expect(seen.facts).toMatchObject({ windowFrom: late, repositories: [{ windowFrom: late, full: 2 }] });
      expect(seen.archives[0]?.facts).toMatchObject({ windowFrom: late, windowTo: late, backups: 2 });
    });

    it("begins with the first when another repository has that WAL, and each row tells of itself", () => {
      const other = repository(2, { content: content(backups(2)) });
      expect(facts(lacking(1, 4, 5), other).facts).toMatchObject({
        windowFrom: whole,
        repositories: [{ windowFrom: late }, { windowFrom: whole }],
      });
      expect(facts(lacking(1, 4, 5), lacking(2, 5, 5)).facts).toMatchObject({ windowFrom: late });
    });

    it("counts no WAL of a repository from before it was added", () => {
      const before = { first: segment(0), last: segment(7) };
      const added = repository(2, { content: content([], { continuity: { before, between: [], listedFor: "" } }) });
      expect(facts(lacking(1, 4, 5), added).facts).toMatchObject({ windowFrom: late });
    });

    it("claims only what the newest backup proves while the WAL could not be listed", () => {
      const { continuity: _, ...unlisted } = content(backups(1));
      expect(facts(repository(1, { content: unlisted })).facts).toMatchObject({ windowFrom: late });
    });
  });

  it("is encrypted only when every repository is", () => {
    const plain = repository(2, { content: content([], { encrypted: false }) });
    expect(verdict(plan(looked(repository(1), plain)), "Encrypted")).toMatchObject({
      status: "False",
      reason: "NotEncrypted",
      message: expect.stringContaining("repository 2") as string,
    });
    expect(verdict(plan(looked(repository(1))), "Encrypted")).toMatchObject({ status: "True" });
    expect(verdict(plan(looked(away(1, { unknown: true }))), "Encrypted")).toMatchObject({ status: "Unknown" });
  });
});

describe("a Stanza that could not be opened", () => {
  const problem: Problem = { kind: "refused", reason: "SecretNotFound", message: "secret minio does not exist" };

  it("keeps its facts, says why, and calls its archive unknown", () => {
    const seen = stanza(plan(looked(repository(1))).facts);
    const archive: Archive = { metadata: { name: "main-pg" }, status: { backups: 3 } };
    const planned = plan({ kind: "unopened", problem }, { stanza: seen, archives: [archive] });
    expect(verdict(planned, "Ready")).toMatchObject({ status: "False", reason: "SecretNotFound" });
    expect(verdict(planned, "RepositoriesReachable")).toMatchObject({ status: "Unknown" });
    expect(planned.facts).toMatchObject({ backupSummary: "1/0/0", repositories: [{ state: "Unknown", full: 1 }] });
    expect(planned.archives[0]).toMatchObject({ facts: { backups: 3 }, verdicts: [{ status: "Unknown" }, {}] });
  });

  it("is stalled when nothing but another spec helps", () => {
    const invalid: Problem = { kind: "refused", reason: "InvalidSpec", message: "spec.x: no" };
    expect(verdict(plan({ kind: "unopened", problem: invalid }), "Stalled")).toMatchObject({ status: "True" });
    expect(verdict(plan({ kind: "unopened", problem }), "Stalled")).toBeUndefined();
  });
});

describe("the Archive and the records of a Stanza", () => {
  it("stand for the stanza's name in it, and tell whether the primary's WAL arrives", () => {
    const [archive] = plan(looked(repository(1)), { clusters: [{ name: "pg", report: report({}) }] }).archives;
    expect(archive).toMatchObject({
      name: "main-pg",
      facts: {
        repository: { kind: "Stanza", name: "main", uid: "u" },
        serverName: "pg",
        cluster: { name: "pg", living: true },
      },
    });
    expect(archive?.verdicts.find(({ type }) => type === "Archiving")).toMatchObject({ status: "True" });
  });

  it("tell what slows archiving down, and once that it begins", () => {
    const slowed = report({ archiveWarning: "the spool /spool cannot be used: no space left" });
    const [planned] = plan(looked(repository(1)), { clusters: [{ name: "pg", report: slowed }] }).archives;
    const archiving = planned?.verdicts.find(({ type }) => type === "Archiving");
    expect(archiving).toMatchObject({
      status: "True",
      message:
        "the primary's WAL reaches the store, one file at a time: the spool /spool cannot be used: no space left",
    });
    expect(newWarning([], slowed)).toBe("the spool /spool cannot be used: no space left");
    const conditions = [{ ...archiving!, lastTransitionTime: "2026-11-21T11:00:00Z" }];
    expect(newWarning([{ metadata: { name: "main-pg" }, status: { conditions } }], slowed)).toBeUndefined();
    expect(newWarning([], report({}))).toBeUndefined();
  });

  it("name the backup by what we wrote into the repository, and do not take an ObjectStore's record for it", () => {
    const named = repository(1, { content: content([record("20261121-000000F", 1, { name: "nightly" })]) });
    const elsewhere: Backup = {
      metadata: { name: "other", namespace: "db" },
      spec: { repository: { kind: "ObjectStore", name: "main", serverName: "pg" }, backupId: "20261121-000000F" },
    };
    const made = (backups: readonly Backup[]) => plan(looked(named), { backups }).records.map(({ object }) => object);
    expect(made([elsewhere])).toMatchObject([
      { metadata: { name: "nightly" }, spec: { repository: { kind: "Stanza", name: "main", serverName: "pg" } } },
    ]);
    const own: Backup = {
      ...elsewhere,
      spec: { ...elsewhere.spec, repository: { kind: "Stanza", name: "main", serverName: "pg" } },
    };
    expect(made([own])).toEqual([]);
  });

  it("are not restorable after a major upgrade until it has a backup of its own", () => {
    const before = record("20261121-000000F", 1);
    const end = { name: segment(9) };
    const after = (...backups: readonly BackupRecord[]) => {
      const held = content(backups, { systemId: "8", databaseId: 2, former: [{ systemId: "7", version: "15" }] });
      const planned = plan({ ...looked(repository(1, { content: held })), end }, { clusters: [{ name: "pg" }] });
      return { ...planned, archive: planned.archives[0]! };
    };
    const bare = after(before);
    expect(bare.facts).toMatchObject({ systemID: "8", formerSystems: [{ systemID: "7", backups: 1 }] });
    expect(bare.facts).not.toHaveProperty("windowFrom");
    expect(bare.facts.repositories?.[0]).not.toHaveProperty("windowFrom");
    expect(bare.archive.facts).toMatchObject({ systemID: "8", backups: 1 });
    expect(bare.archive.facts).not.toHaveProperty("windowFrom");
    const own = record("20261122-000000F", 1, { systemId: "8", endTime: new Date("2026-11-21T00:00:00Z") });
    expect(after(before, own).archive.facts).toMatchObject({ windowFrom: "2026-11-21T00:00:00Z", backups: 2 });
  });
});
