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
  /** Of the database that is there now: backups from before a major upgrade lead to none of its moments. */
  readonly systemId?: string | undefined;
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
  /** The newest moment whose state a restore brings back. */
  readonly windowTo?: Date;
  /**
   * The newest moment that can be given as targetTime. Earlier than windowTo, or absent, when nothing was committed since
   * the newest backup: its end is then reached by a restore without target, or with targetImmediate.
   */
  readonly latestTargetTime?: Date;
}

type Done = BackupRecord & { readonly endTime: Date };

export function recoveryWindow({ catalog, systemId, newestWal, gaps = [] }: WindowInput): RecoveryWindow {
  const done = ofSystem(catalog.backups, systemId).filter(
    (backup): backup is Done => backup.status === "done" && backup.endTime !== undefined,
  );
  const first = earliest(done);
  const last = latest(done);
  const through = done.filter((backup) => !gaps.some((gap) => isInTheWay(gap, backup)));
  const from = earliest(through);
  return {
    ...(first === undefined ? {} : { firstRecoverabilityPoint: first }),
    ...(last === undefined ? {} : { lastSuccessfulBackup: last }),
    ...(from === undefined ? {} : { windowFrom: from }),
    ...(from === undefined || newestWal === undefined ? {} : windowEnd(from, through, newestWal)),
  };
}

/** One that does not tell its system counts. */
export const ofSystem = (backups: readonly BackupRecord[], systemId: string | undefined): readonly BackupRecord[] =>
  backups.filter((backup) => systemId === undefined || (backup.systemId ?? systemId) === systemId);

/**
 * Replay stops at a targetTime only when it meets a commit after it; without one PostgreSQL gives up with "recovery
 * ended before configured recovery target was reached" (tried with the very time of the last commit). So the last moment
 * that can be asked for is just before the newest commit.
 */
function windowEnd(
  from: Date,
  backups: readonly Done[],
  newest: NonNullable<WindowInput["newestWal"]>,
): Pick<RecoveryWindow, "windowTo" | "latestTargetTime"> {
  const whole = backups.filter(({ endWal }) => endWal !== undefined && compareSegments(endWal, newest.name) <= 0);
  const beforeCommit = newest.commitTime === undefined ? undefined : microsToDate(newest.commitTime - 1n);
  const target = beforeCommit === undefined || beforeCommit < from ? undefined : beforeCommit;
  const backupEnd = latest(whole);
  const to = target === undefined || (backupEnd !== undefined && backupEnd > target) ? backupEnd : target;
  return {
    ...(to === undefined ? {} : { windowTo: to }),
    ...(target === undefined ? {} : { latestTargetTime: target }),
  };
}

/** A gap that ends before the backup begins harms it not. Without its begin segment that cannot be known. */
const isInTheWay = (gap: WalGap, { beginWal }: BackupRecord): boolean =>
  beginWal === undefined || compareSegments(gap.last, beginWal) >= 0;

const earliest = (backups: readonly Done[]): Date | undefined =>
  backups.length === 0 ? undefined : new Date(Math.min(...backups.map(({ endTime }) => endTime.getTime())));

const latest = (backups: readonly Done[]): Date | undefined =>
  backups.length === 0 ? undefined : new Date(Math.max(...backups.map(({ endTime }) => endTime.getTime())));
