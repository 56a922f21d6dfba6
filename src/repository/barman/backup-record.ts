// From barman's words for a backup to those of the catalog. Pure.
import { microsToDate } from "#postgres/timestamp.ts";
import type { BackupRecord, BackupStatus } from "../catalog.ts";
import type { BackupInfo, BarmanStatus } from "./backup-info.ts";

/** Barman sets both times of a backup before its last uploads: only the status tells whether those came to an end. */
const statuses: Readonly<Record<BarmanStatus, BackupStatus>> = {
  DONE: "done",
  FAILED: "failed",
  EMPTY: "incomplete",
  STARTED: "incomplete",
  WAITING_FOR_WALS: "incomplete",
  SYNCING: "incomplete",
};

/**
 * The catalog keeps milliseconds. The end is rounded up, since a moment before the end of a backup cannot be restored
 * from it.
 */
export function toBackupRecord(id: string, info: BackupInfo): BackupRecord {
  const optional: Partial<BackupRecord> = {
    ...set("name", info.backupName),
    ...set("beginTime", info.beginTime === undefined ? undefined : microsToDate(info.beginTime)),
    ...set("endTime", info.endTime === undefined ? undefined : microsToDate(info.endTime + 999n)),
    ...set("beginWal", info.beginWal),
    ...set("endWal", info.endWal),
    ...set("beginLsn", info.beginLsn),
    ...set("endLsn", info.endLsn),
    ...set("timeline", info.timeline),
    ...set("systemId", info.systemId),
    ...set("postgresVersion", info.version),
    ...set("sizeBytes", info.clusterBytes),
    ...set("storedBytes", info.storedBytes),
    ...set("error", info.error),
  };
  return {
    id,
    status: statuses[info.status],
    type: "full",
    segmentBytes: info.segmentBytes,
    tablespaces: info.tablespaces.map(({ name }) => name),
    ...optional,
  };
}

/** What stands for a directory without backup.info: a backup under way, or what is left of one that was cut off. */
export const unfinishedRecord = (id: string): BackupRecord => ({
  id,
  status: "incomplete",
  type: "full",
  tablespaces: [],
});

const set = <K extends keyof BackupRecord>(key: K, value: BackupRecord[K] | undefined): Partial<BackupRecord> =>
  value === undefined ? {} : { [key]: value };
