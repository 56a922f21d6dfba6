// Which backup a recovery begins from, and why; or why none will do, with those that come nearest. Pure. A choice that
// PostgreSQL could only end with an error ("requested recovery stop point is before consistent recovery point") is
// refused here, before anything is downloaded.
import { formatLsn } from "#postgres/lsn.ts";
import type { RecoveryTarget } from "#postgres/recovery-target.ts";
import { isOnPath, pathTo, type HistoryEntry, type TimelineSpan } from "#postgres/timeline.ts";
import { dateToMicros } from "#postgres/timestamp.ts";
import type { BackupRecord, Catalog } from "./catalog.ts";

export interface ChoiceInput {
  readonly catalog: Catalog;
  readonly target: RecoveryTarget;
  /** All servers of the store, for the message when this one is not among them. */
  readonly servers?: readonly string[];
  /** Content of the archive's history files by timeline. Without them a numbered timeline takes only its own backups. */
  readonly histories?: ReadonlyMap<number, readonly HistoryEntry[]>;
  /** Of the PostgreSQL that is to recover: it starts from backups of its own version only. Absent: not known. */
  readonly postgresMajor?: number | undefined;
}

export type RefusalReason =
  | "UnknownServer"
  | "NoBackup"
  | "UnknownBackup"
  | "BackupNotUsable"
  | "VersionMismatch"
  | "TargetBeforeBackup"
  | "TimelineMismatch";

export type BackupChoice =
  | { readonly kind: "chosen"; readonly backup: BackupRecord; readonly why: string }
  | {
      readonly kind: "refused";
      readonly reason: RefusalReason;
      readonly why: string;
      /** Usable backups nearest to what was asked for, nearest first; at most three. */
      readonly candidates: readonly BackupRecord[];
    };

const candidatesMax = 3;
const serversNamedMax = 10;

export function chooseBackup(input: ChoiceInput): BackupChoice {
  const { catalog, target } = input;
  const finished = catalog.backups.filter(({ status, endTime }) => status === "done" && endTime !== undefined);
  const done = finished.filter((backup) => isOfVersion(backup, input));
  if (target.backupId !== undefined) return chooseNamed(input, done, target.backupId);
  if (finished.length === 0) return noBackup(input);
  if (done.length === 0) {
    const why = `no backup is of PostgreSQL ${input.postgresMajor}, which this cluster is to run; the newest`;
    return refuse("VersionMismatch", why, newestFirst(finished));
  }
  const path = targetPath(input);
  const onTimeline = done.filter((backup) => isOnTarget(backup, target, path));
  if (onTimeline.length === 0) {
    return refuse("TimelineMismatch", `no backup leads to ${describeTimeline(target)}; the newest`, newestFirst(done));
  }
  const reached = newestFirst(onTimeline.filter((backup) => endsBefore(backup, target)));
  const [backup] = reached;
  if (backup === undefined) {
    const [other] = newestFirst(finished.filter((one) => !done.includes(one) && endsBefore(one, target)));
    const that = other === undefined ? "" : ` but ${other.id} of PostgreSQL ${majorOf(other)}`;
    const why = `no backup${that} ended by ${describeGoal(target)}; the first to end after it`;
    return refuse("TargetBeforeBackup", why, newestFirst(onTimeline).toReversed());
  }
  return { kind: "chosen", backup, why: whyNewest(backup, target) };
}

function chooseNamed(input: ChoiceInput, done: readonly BackupRecord[], id: string): BackupChoice {
  const { catalog, target } = input;
  const backup = catalog.backups.find((candidate) => candidate.id === id);
  if (backup === undefined) return unknownBackup(input, done, id);
  if (!isOfVersion(backup, input)) {
    const why = `backup ${id} is of PostgreSQL ${majorOf(backup)}, and this cluster is to run ${input.postgresMajor}`;
    return refuse("VersionMismatch", `${why}; those of its version`, newestFirst(done));
  }
  if (!done.includes(backup)) {
    const error = backup.error === undefined ? "" : `: ${backup.error}`;
    return refuse("BackupNotUsable", `backup ${id} is ${backup.status}${error}; usable`, nearestTo(id, done));
  }
  if (!isOnTarget(backup, target, targetPath(input))) {
    const why = `backup ${id} is on timeline ${backup.timeline}, which does not lead to ${describeTimeline(target)}`;
    const leading = done.filter((candidate) => isOnTarget(candidate, target, targetPath(input)));
    return refuse("TimelineMismatch", `${why}; those that do`, nearestTo(id, leading));
  }
  if (!endsBefore(backup, target)) {
    const why = `backup ${id} ended ${describeEnd(backup)}, after ${describeGoal(target)}; those that ended before`;
    const before = done.filter((candidate) => endsBefore(candidate, target));
    return refuse("TargetBeforeBackup", why, newestFirst(before));
  }
  return { kind: "chosen", backup, why: "it is named by backupID" };
}

function unknownBackup(input: ChoiceInput, done: readonly BackupRecord[], id: string): BackupChoice {
  const { catalog } = input;
  const unreadable = catalog.unreadable.find((entry) => entry.id === id);
  if (unreadable !== undefined) {
    return refuse("BackupNotUsable", `backup ${id} cannot be read: ${unreadable.error}; usable`, nearestTo(id, done));
  }
  if (catalog.backups.length === 0) return noBackup(input);
  return refuse("UnknownBackup", `server ${catalog.server} has no backup ${id}; usable`, nearestTo(id, done));
}

const majorOf = ({ postgresMajor, postgresVersion }: BackupRecord): number | undefined =>
  postgresMajor ?? (postgresVersion === undefined ? undefined : Math.floor(postgresVersion / 10_000));

/** Data of one major version are nothing to another. What is not known rules nothing out. */
function isOfVersion(backup: BackupRecord, { postgresMajor }: ChoiceInput): boolean {
  const major = majorOf(backup);
  return major === undefined || postgresMajor === undefined || major === postgresMajor;
}

/** A server without backups is most often a wrong name: then the others are told. */
function noBackup({ catalog, servers }: ChoiceInput): BackupChoice {
  const { server, backups, unreadable } = catalog;
  const isEmpty = backups.length === 0 && unreadable.length === 0;
  if (isEmpty && servers !== undefined && !servers.includes(server)) {
    const more = servers.length > serversNamedMax ? `, and ${servers.length - serversNamedMax} more` : "";
    const named = servers.slice(0, serversNamedMax).join(", ");
    const others = servers.length === 0 ? "it holds no server at all" : `it holds ${named}${more}`;
    return {
      kind: "refused",
      reason: "UnknownServer",
      why: `server ${server} is not in the store; ${others}`,
      candidates: [],
    };
  }
  const counts = [
    ...(["failed", "incomplete"] as const).map((status) => ({
      status,
      count: backups.filter((backup) => backup.status === status).length,
    })),
    { status: "unreadable", count: unreadable.length },
  ].filter(({ count }) => count > 0);
  const found = isEmpty ? "" : ` (${counts.map(({ status, count }) => `${count} ${status}`).join(", ")})`;
  const why = `server ${server} has no finished backup${found}`;
  return { kind: "refused", reason: "NoBackup", why, candidates: [] };
}

function refuse(reason: RefusalReason, why: string, ordered: readonly BackupRecord[]): BackupChoice {
  const candidates = ordered.slice(0, candidatesMax);
  const named = candidates.map((backup) => `${backup.id} (ended ${describeEnd(backup)})`).join(", ");
  return { kind: "refused", reason, why: `${why}: ${named === "" ? "none" : named}`, candidates };
}

/**
 * The timelines that replay would follow. Undefined: unknown or of no importance, so that no backup is ruled out by it.
 */
function targetPath({ target, histories }: ChoiceInput): readonly TimelineSpan[] | undefined {
  const { timeline } = target;
  if (timeline === "current") return undefined;
  if (timeline !== "latest") return pathTo(timeline, histories?.get(timeline) ?? []) ?? [{ timeline, start: 0n }];
  const newest = Math.max(0, ...(histories?.keys() ?? []));
  return newest === 0 ? undefined : pathTo(newest, histories?.get(newest) ?? []);
}

/** A backup on a timeline after the newest history file has that timeline as its latest. */
function isOnTarget(backup: BackupRecord, target: RecoveryTarget, path: readonly TimelineSpan[] | undefined): boolean {
  if (path === undefined) return true;
  if (backup.timeline === undefined) return false;
  if (target.timeline === "latest" && backup.timeline > (path.at(-1)?.timeline ?? 0)) return true;
  return isOnPath(path, backup.timeline, backup.endLsn ?? 0n);
}

/** Whether the data is consistent before the target is met. A name, a transaction or "immediate" cannot be placed. */
function endsBefore(backup: BackupRecord, { goal }: RecoveryTarget): boolean {
  if (goal.kind === "time") return backup.endTime !== undefined && dateToMicros(backup.endTime) <= goal.micros;
  if (goal.kind === "lsn") return backup.endLsn !== undefined && backup.endLsn <= goal.lsn;
  return true;
}

const newestFirst = (backups: readonly BackupRecord[]): readonly BackupRecord[] =>
  backups.toSorted((a, b) => (b.endTime?.getTime() ?? 0) - (a.endTime?.getTime() ?? 0) || (a.id < b.id ? 1 : -1));

/** By how far the ids, which are times, lie apart in their order. */
function nearestTo(id: string, backups: readonly BackupRecord[]): readonly BackupRecord[] {
  const sorted = backups.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const place = sorted.findIndex((backup) => backup.id > id);
  const at = (place === -1 ? sorted.length : place) - 0.5;
  return sorted
    .map((backup, index) => ({ backup, distance: Math.abs(index - at) }))
    .sort((a, b) => a.distance - b.distance)
    .map(({ backup }) => backup);
}

function whyNewest(backup: BackupRecord, target: RecoveryTarget): string {
  const { goal } = target;
  const bound = goal.kind === "time" || goal.kind === "lsn" ? ` that ended by ${describeGoal(target)}` : "";
  const newest = `it is the newest backup${bound}, ended ${describeEnd(backup)}`;
  if (goal.kind === "xid" || goal.kind === "name") {
    return `${newest}; it may be after ${describeGoal(target)}, which only a backupID can rule out`;
  }
  return newest;
}

const describeEnd = ({ endTime, endLsn }: BackupRecord): string =>
  `${endTime?.toISOString() ?? "at an unknown time"}${endLsn === undefined ? "" : ` at ${formatLsn(endLsn)}`}`;

function describeTimeline({ timeline }: RecoveryTarget): string {
  return typeof timeline === "number" ? `timeline ${timeline}` : `the ${timeline} timeline`;
}

function describeGoal({ goal }: RecoveryTarget): string {
  if (goal.kind === "time") return `the target time ${goal.text}`;
  if (goal.kind === "lsn") return `the target LSN ${formatLsn(goal.lsn)}`;
  if (goal.kind === "xid") return `transaction ${goal.xid}`;
  if (goal.kind === "name") return `restore point ${JSON.stringify(goal.name)}`;
  return goal.kind === "immediate" ? "the end of the backup" : "the end of the archive";
}
