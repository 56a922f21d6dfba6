// When retention of a Stanza runs, and what its outcome is in status. Pure.
import type { BackupRecord, Catalog } from "#repository/catalog.ts";
import type { ExpireOutcome } from "#repository/pgbackrest/expire.ts";
import type { Expired, ExpireReason } from "#repository/pgbackrest/expire-log.ts";
import { timestamp } from "../backup/status.ts";
import type { Status } from "./terms.ts";

export type RetentionStatus = NonNullable<Status["retention"]>;
export type RetentionMode = "Preview" | "Enforce";

/** One run, or the try of one. */
export interface RetentionRun {
  readonly at: Date;
  readonly generation: number;
  /** The newest backup at that time. */
  readonly newestBackup: string | undefined;
  /** It could not be done whole: it is tried again sooner. */
  readonly isPartial: boolean;
}

export interface RetentionNow {
  readonly last: RetentionRun | undefined;
  readonly generation: number;
  readonly newestBackup: string | undefined;
  readonly now: Date;
}

const everyMs = 3_600_000;
const againMs = 300_000;

/** After how long it is due; 0 is now. A new backup, or another spec, makes it due at once. */
export function dueAfterMs({ last, generation, newestBackup, now }: RetentionNow): number {
  if (last === undefined || last.generation !== generation || last.newestBackup !== newestBackup) return 0;
  return Math.max(0, last.at.getTime() + (last.isPartial ? againMs : everyMs) - now.getTime());
}

export type RepositoryOutcome =
  | ExpireOutcome
  /** pgBackRest could not do it. */
  | { readonly kind: "failed"; readonly repository: number; readonly why: string };

const planMax = 100;
const whatMax = 500;

export function retentionStatus(
  mode: RetentionMode,
  outcomes: readonly RepositoryOutcome[],
  now: Date,
): RetentionStatus {
  const plan = outcomes.flatMap((outcome) =>
    linesOf(outcome).map((what) => ({ repository: outcome.repository, what: what.slice(0, whatMax) })),
  );
  return {
    mode,
    lastRunTime: timestamp(now),
    summary: `${mode}: ${summaryOf(mode, outcomes)}`,
    plan: plan.slice(0, planMax),
  };
}

/** Whether a repository was left out for a reason that may pass. */
export const isPartial = (outcomes: readonly RepositoryOutcome[]): boolean =>
  outcomes.some(
    (outcome) => outcome.kind === "failed" || (outcome.kind === "skipped" && outcome.reason === "NotTrusted"),
  );

/** Those of the catalog that are gone from every repository that had them: a copy can still be restored from. */
export function goneRecords(
  outcomes: readonly RepositoryOutcome[],
  { backups }: Pick<Catalog, "backups">,
): readonly BackupRecord[] {
  const gone = new Set(
    outcomes.flatMap((outcome) =>
      outcome.kind === "removed" ? outcome.expired.backups.map(({ id }) => `${outcome.repository} ${id}`) : [],
    ),
  );
  return backups.filter(({ id, repository = 1, alsoIn = [] }) =>
    [repository, ...alsoIn].every((number) => gone.has(`${number} ${id}`)),
  );
}

function summaryOf(mode: RetentionMode, outcomes: readonly RepositoryOutcome[]): string {
  const stopped = outcomes.find(({ kind }) => kind === "refused" || kind === "failed");
  if (stopped !== undefined) return `repository ${stopped.repository} ${stopped.kind}`;
  const gone = outcomes.flatMap((outcome) => ("expired" in outcome ? outcome.expired.backups : []));
  const left = outcomes.find((outcome) => outcome.kind === "skipped" && outcome.reason === "NotTrusted");
  const unread = left === undefined ? "" : `, repository ${left.repository} skipped`;
  const isUnruled = outcomes.every((outcome) => outcome.kind === "skipped" && outcome.reason === "NoRetention");
  if (isUnruled) return "all is kept";
  const backups = `${gone.length} ${gone.length === 1 ? "backup" : "backups"}`;
  if (gone.length === 0) return `no backup ${mode === "Preview" ? "would go" : "was too old"}${unread}`;
  return `${backups} ${mode === "Preview" ? "would go" : "removed"}${unread}`;
}

function linesOf(outcome: RepositoryOutcome): readonly string[] {
  switch (outcome.kind) {
    case "skipped":
      return [`skipped: ${outcome.why}`];
    case "failed":
      return [`failed: ${outcome.why}`];
    case "refused":
      return [`refused: ${outcome.why}`, ...describe(outcome.expired)];
    case "planned":
    case "removed":
      return describe(outcome.expired);
  }
}

const rules: Readonly<Record<ExpireReason, string>> = {
  Full: "beyond retentionPolicy.full, or builds on one that is",
  Diff: "beyond retentionPolicy.diff, or builds on one that is",
  Time: "older than retentionPolicy.full days, or builds on one that is",
  Adhoc: "removed by hand",
};

const describe = ({ backups, wal, leftovers, files }: Expired): readonly string[] => [
  ...backups.map(({ id, reason }) => `backup ${id}: ${rules[reason]}`),
  ...wal.map(
    ({ archiveId, first, last }) => `WAL ${archiveId} from ${first} to ${last}: no backup that stays needs it`,
  ),
  ...leftovers.map((id) => `what is left of backup ${id}, which is in no list`),
  ...files,
];
