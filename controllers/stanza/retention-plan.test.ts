import { describe, expect, it } from "vitest";
import type { BackupRecord } from "#repository/catalog.ts";
import type { Expired } from "#repository/pgbackrest/expire-log.ts";
import { mergeCatalogs } from "./merge.ts";
import {
  dueAfterMs,
  goneRecords,
  isPartial,
  retentionStatus,
  type RepositoryOutcome,
  type RetentionRun,
} from "./retention-plan.ts";

const now = new Date("2026-11-21T12:00:00Z");
const nothing: Expired = { backups: [], wal: [], leftovers: [], files: [] };
const expired: Expired = {
  ...nothing,
  backups: [
    { id: "20261101-000000F", reason: "Full" },
    { id: "20261101-000000F_20261102-000000I", reason: "Full" },
  ],
  wal: [{ archiveId: "15-1", first: "000000010000000000000001", last: "000000010000000000000009" }],
};
const skipped = (reason: "NoRetention" | "NotTrusted", repository = 2): RepositoryOutcome => ({
  kind: "skipped",
  repository,
  reason,
  why: "because",
});
const summary = (mode: "Preview" | "Enforce", ...outcomes: RepositoryOutcome[]) =>
  retentionStatus(mode, outcomes, now).summary;

describe("what retention came to", () => {
  it("is told in a few words, and line by line with the rule", () => {
    const planned = { kind: "planned", repository: 1, expired } as const;
    expect(retentionStatus("Preview", [planned, skipped("NoRetention")], now)).toEqual({
      mode: "Preview",
      lastRunTime: "2026-11-21T12:00:00Z",
      summary: "Preview: 2 backups would go",
      plan: [
        { repository: 1, what: "backup 20261101-000000F: beyond retentionPolicy.full, or builds on one that is" },
        {
          repository: 1,
          what: "backup 20261101-000000F_20261102-000000I: beyond retentionPolicy.full, or builds on one that is",
        },
        {
          repository: 1,
          what: "WAL 15-1 from 000000010000000000000001 to 000000010000000000000009: no backup that stays needs it",
        },
        { repository: 2, what: "skipped: because" },
      ],
    });
    expect(summary("Enforce", { ...planned, kind: "removed" })).toBe("Enforce: 2 backups removed");
    expect(summary("Enforce", { kind: "removed", repository: 1, expired: nothing })).toBe(
      "Enforce: no backup was too old",
    );
    expect(summary("Preview", skipped("NoRetention"))).toBe("Preview: all is kept");
  });

  it("names the repository that could not be trusted, refused or failed: none of them is a success", () => {
    const planned = { kind: "planned", repository: 1, expired } as const;
    expect(summary("Preview", planned, skipped("NotTrusted"))).toBe(
      "Preview: 2 backups would go, repository 2 skipped",
    );
    expect(summary("Enforce", { kind: "refused", repository: 1, why: "w", expired })).toBe(
      "Enforce: repository 1 refused",
    );
    expect(summary("Enforce", { kind: "failed", repository: 3, why: "w" })).toBe("Enforce: repository 3 failed");
    expect(isPartial([planned, skipped("NotTrusted")])).toBe(true);
    expect(isPartial([planned, skipped("NoRetention")])).toBe(false);
  });

  it("fits the status, however much goes", () => {
    const backups = Array.from({ length: 300 }, (_, index) => ({ id: `b${index}`, reason: "Full" as const }));
    const many = { kind: "planned", repository: 1, expired: { ...nothing, backups } } as const;
    expect(retentionStatus("Preview", [many], now).plan).toHaveLength(100);
  });
});

describe("retention is due", () => {
  const last: RetentionRun = { at: now, generation: 1, newestBackup: "A", isPartial: false };
  const after = (minutes: number, changes: object = {}) =>
    dueAfterMs({
      last,
      generation: 1,
      newestBackup: "A",
      now: new Date(now.getTime() + minutes * 60_000),
      ...changes,
    });

  it("each hour, and sooner after a run that left a repository out", () => {
    expect(after(10)).toBe(50 * 60_000);
    expect(after(60)).toBe(0);
    expect(after(1, { last: { ...last, isPartial: true } })).toBe(4 * 60_000);
  });

  it("at once for a new leader, a new backup and another spec", () => {
    expect(after(1, { last: undefined })).toBe(0);
    expect(after(1, { newestBackup: "B" })).toBe(0);
    expect(after(1, { generation: 2 })).toBe(0);
  });
});

describe("a record goes with its backup", () => {
  const record = (id: string, repository: number): BackupRecord => ({
    id,
    repository,
    status: "done",
    type: "full",
    tablespaces: [],
  });
  const holding = (key: number, ...ids: string[]) => ({
    key,
    type: "s3" as const,
    location: `s3://b/${key}`,
    state: "Ok" as const,
    checks: [],
    isRead: true,
    content: {
      catalog: { server: "pg", backups: ids.map((id) => record(id, key)), unreadable: [] },
      backups: [],
      encrypted: true,
    },
  });
  const removed = (repository: number, ...ids: string[]): RepositoryOutcome => ({
    kind: "removed",
    repository,
    expired: { ...nothing, backups: ids.map((id) => ({ id, reason: "Full" })) },
  });

  it("only when no repository that listed it has it any more", () => {
    const catalog = mergeCatalogs([holding(1, "A", "B"), holding(2, "B", "C")]);
    expect(catalog.backups).toEqual([record("A", 1), { ...record("B", 1), alsoIn: [2] }, record("C", 2)]);
    const idsGone = (...outcomes: RepositoryOutcome[]) => goneRecords(outcomes, catalog).map(({ id }) => id);
    expect(idsGone(removed(1, "A", "B"))).toEqual(["A"]);
    expect(idsGone(removed(2, "B"))).toEqual([]);
    expect(idsGone(removed(1, "B"), removed(2, "B", "C"))).toEqual(["B", "C"]);
  });
});
