// Whether replay from a chosen backup comes to its target, judged by what is known of the archive's end. Pure. Only a
// proof is a "no": what cannot be told from here is unknown, and then the restore is tried.
import { formatLsn } from "#postgres/lsn.ts";
import type { RecoveryTarget } from "#postgres/recovery-target.ts";
import { segmentLsnRange, segmentTimeline } from "#postgres/segment.ts";
import { formatMicros } from "#postgres/timestamp.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { NewestWal } from "#repository/repository.ts";

export type ArchiveEnd = Pick<NewestWal, "name" | "commitTime" | "commitTimeUnknown">;

export interface ReachInput {
  readonly backup: BackupRecord;
  readonly target: RecoveryTarget;
  /** Undefined: the archive holds no segment at all. */
  readonly end: ArchiveEnd | undefined;
  readonly segmentBytes: number;
  /** Names of WAL between the backup's begin and the archive's end that is not there; undefined: not looked at. */
  readonly missing: readonly string[] | undefined;
}

export type Reach =
  | { readonly kind: "reachable" }
  | { readonly kind: "unreachable"; readonly reason: "TargetAfterArchive" | "WalMissing"; readonly message: string }
  | { readonly kind: "unknown"; readonly why: string };

const reachable: Reach = { kind: "reachable" };

export function judgeReach(input: ReachInput): Reach {
  const { target, end } = input;
  const gap = judgeGap(input);
  if (gap.kind === "unreachable") return gap;
  if (end === undefined || !isEndOfPath(input, end)) {
    const needsEnd = target.goal.kind === "time" || target.goal.kind === "lsn";
    return needsEnd ? { kind: "unknown", why: "the end of the target's timeline is not known" } : gap;
  }
  const reach = judgeEnd(input, end);
  return reach.kind === "reachable" ? gap : reach;
}

/**
 * Replay stops at a time only when it meets a transaction after it, and at an LSN only when it meets a record there or
 * after it; without one PostgreSQL ends with "recovery ended before configured recovery target was reached"
 * (src/backend/access/transam/xlogrecovery.c: recoveryStopsBefore, recoveryStopsAfter).
 */
function judgeEnd({ target, segmentBytes }: ReachInput, end: ArchiveEnd): Reach {
  const { goal, exclusive } = target;
  if (goal.kind === "lsn") {
    const archived = segmentLsnRange(end.name, segmentBytes).end;
    if (goal.lsn < archived) return reachable;
    return tooLate(
      `${formatLsn(goal.lsn)} is after the end of the archive, ${formatLsn(archived)} (segment ${end.name})`,
    );
  }
  if (goal.kind !== "time") return reachable;
  if (end.commitTime !== undefined && (exclusive ? goal.micros <= end.commitTime : goal.micros < end.commitTime)) {
    return reachable;
  }
  if (end.commitTimeUnknown !== undefined) return { kind: "unknown", why: end.commitTimeUnknown };
  if (end.commitTime === undefined)
    return { kind: "unknown", why: `no commit was found in the last segments up to ${end.name}` };
  const isAfter = goal.micros > end.commitTime;
  const newest = `the newest commit in the archive, ${formatMicros(end.commitTime)} (its last segment is ${end.name})`;
  return tooLate(
    isAfter
      ? `${goal.text} is after ${newest}`
      : `${goal.text} is the time of ${newest}, and replay stops only after it`,
  );
}

const tooLate = (message: string): Reach => ({
  kind: "unreachable",
  reason: "TargetAfterArchive",
  message: `recovery target ${message}`,
});

/** Replay ends at the first missing segment: for some targets that is an error, for others less than was hoped for. */
function judgeGap({ backup, target, missing, segmentBytes }: ReachInput): Reach {
  if (missing === undefined) return { kind: "unknown", why: "the wal after the backup was not looked through" };
  const [first] = missing;
  if (first === undefined) return reachable;
  const { goal } = target;
  const gap = `wal ${first}${missing.length > 1 ? ` and ${missing.length - 1} more` : ""} not being in the archive`;
  const start = startOf(first, segmentBytes);
  if (start === undefined) return { kind: "unknown", why: `replay may end early, ${gap}` };
  if (backup.endLsn !== undefined && start < backup.endLsn) {
    return unreachableGap(`backup ${backup.id} cannot become consistent, ${gap}`);
  }
  if (goal.kind === "immediate") return reachable;
  if (goal.kind === "lsn") {
    return start <= goal.lsn
      ? unreachableGap(`recovery target ${formatLsn(goal.lsn)} cannot be reached, ${gap}`)
      : reachable;
  }
  return { kind: "unknown", why: `replay ends at ${formatLsn(start)}, ${gap}` };
}

const unreachableGap = (message: string): Reach => ({ kind: "unreachable", reason: "WalMissing", message });

/** Where a missing segment begins; undefined for a history file. */
const startOf = (name: string, segmentBytes: number): bigint | undefined =>
  name.endsWith(".history") ? undefined : segmentLsnRange(name as ArchiveEnd["name"], segmentBytes).start;

/** Whether the archive's newest segment is where replay towards this target would end. */
function isEndOfPath({ backup, target }: ReachInput, end: ArchiveEnd): boolean {
  const timeline = segmentTimeline(end.name);
  if (target.timeline === "latest") return true;
  return timeline === (target.timeline === "current" ? backup.timeline : target.timeline);
}
