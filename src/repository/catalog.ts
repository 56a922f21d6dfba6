// What a repository holds for one server, as one immutable value in the words of both engines. Pure; read by windows,
// restore planning, conditions and records. A backup counts for restore and windows only when its status is "done".
import type { SegmentName } from "#postgres/segment.ts";

export type BackupStatus = "done" | "failed" | "incomplete";

export interface BackupRecord {
  /** The engine's id: barman "20261121T091500". */
  readonly id: string;
  /** The name of our Backup record, where the store keeps one. */
  readonly name?: string;
  readonly status: BackupStatus;
  readonly type: "full" | "diff" | "incr";
  readonly beginTime?: Date;
  readonly endTime?: Date;
  readonly beginWal?: SegmentName;
  readonly endWal?: SegmentName;
  readonly beginLsn?: bigint;
  readonly endLsn?: bigint;
  readonly timeline?: number;
  /** Decimal text: it does not fit a number. */
  readonly systemId?: string;
  /** server_version_num, e.g. 150018. */
  readonly postgresVersion?: number;
  readonly segmentBytes?: number;
  /** Bytes of the database files; of the stored objects. */
  readonly sizeBytes?: number;
  readonly storedBytes?: number;
  /** Names of tablespaces; restore and backup of clusters that have any are refused for now. */
  readonly tablespaces: readonly string[];
  /** Why it failed, in one line. */
  readonly error?: string;
}

export interface Catalog {
  readonly server: string;
  /** Oldest first by end time; those without one last. */
  readonly backups: readonly BackupRecord[];
  /** Entries whose metadata could not be read: the catalog is then not to be trusted for deletion. */
  readonly unreadable: readonly { readonly id: string; readonly error: string }[];
}
