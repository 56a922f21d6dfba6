// From which moment to which a server can be restored, out of what the repository holds. Pure. What is not known stays
// absent: a window is never made up from the clock or from when something was uploaded.
import { compareSegments, type SegmentName } from "#postgres/segment.ts";
import { microsToDate } from "#postgres/timestamp.ts";
import type { BackupRecord, Catalog } from "./catalog.ts";
import type { NewestWal } from "./repository.ts";

/** A stretch of missing segments on one timeline, both ends counted. */
export interface WalGap {
  readonly first: SegmentName;
  readonly last: SegmentName;
}

export interface WindowInput {
  readonly catalog: Catalog;
  readonly newestWal?: Pick<NewestWal, "name" | "commitTime"> | undefined;
  /** Absent: continuity was not looked at. */
  readonly gaps?: readonly WalGap[];
}

export interface RecoveryWindow {
  /** End of the oldest backup that counts. */
  readonly firstRecoverabilityPoint?: Date;
  /** End of the newest backup that counts. */
  readonly lastSuccessfulBackup?: Date;
  /** End of the oldest backup from which replay reaches the end of the archive over no known gap. */
  readonly windowFrom?: Date;
  /** A targetTime up to this moment is reached for sure. */
  readonly windowTo?: Date;
}

type Done = BackupRecord & { readonly endTime: Date };

export function recoveryWindow({ catalog, newestWal, gaps = [] }: WindowInput): RecoveryWindow {
  const done = catalog.backups.filter(
    (backup): backup is Done => backup.status === "done" && backup.endTime !== undefined,
  );
  const first = earliest(done);
  const last = latest(done);
  const through = done.filter((backup) => !gaps.some((gap) => isInTheWay(gap, backup)));
  const from = earliest(through);
  const to = newestWal === undefined ? undefined : reachedMoment(through, newestWal);
  return {
    ...(first === undefined ? {} : { firstRecoverabilityPoint: first }),
    ...(last === undefined ? {} : { lastSuccessfulBackup: last }),
    ...(from === undefined ? {} : { windowFrom: from }),
    ...(to === undefined ? {} : { windowTo: to }),
  };
}

/**
 * Replay stops at a targetTime only when it meets a commit after it; without one PostgreSQL gives up with "recovery
 * ended before configured recovery target was reached". So the last moment that can be asked for is just before the
 * newest commit. The end of a backup whose WAL is all there can be reached too, when no commit came after it.
 */
function reachedMoment(backups: readonly Done[], newest: Pick<NewestWal, "name" | "commitTime">): Date | undefined {
  if (backups.length === 0) return undefined;
  const whole = backups.filter(({ endWal }) => endWal !== undefined && compareSegments(endWal, newest.name) <= 0);
  const backupEnd = latest(whole);
  const beforeCommit = newest.commitTime === undefined ? undefined : microsToDate(newest.commitTime - 1n);
  const moments = [backupEnd, beforeCommit].filter((moment) => moment !== undefined);
  const reached = moments.length === 0 ? undefined : new Date(Math.max(...moments.map(Number)));
  const from = earliest(backups);
  return reached !== undefined && from !== undefined && reached >= from ? reached : undefined;
}

/** A gap that ends before the backup begins harms it not. Without its begin segment that cannot be known. */
const isInTheWay = (gap: WalGap, { beginWal }: BackupRecord): boolean =>
  beginWal === undefined || compareSegments(gap.last, beginWal) >= 0;

const earliest = (backups: readonly Done[]): Date | undefined =>
  backups.length === 0 ? undefined : new Date(Math.min(...backups.map(({ endTime }) => endTime.getTime())));

const latest = (backups: readonly Done[]): Date | undefined =>
  backups.length === 0 ? undefined : new Date(Math.max(...backups.map(({ endTime }) => endTime.getTime())));
