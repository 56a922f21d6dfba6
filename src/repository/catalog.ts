// What a repository holds for one server, as one immutable value in the words of both engines. Pure; read by windows,
// restore planning, conditions and records. A backup counts for restore and windows only when its status is "done".
import type { SegmentName } from "#postgres/segment.ts";

export type BackupStatus = "done" | "failed" | "incomplete";

export interface BackupRecord {
  /** The engine's id: barman "20261121T091500", pgBackRest "20261126-181459F". */
  readonly id: string;
  /** The backup that it continues; absent for a full one. */
  readonly prior?: string;
  /** All other backups that a restore of it reads. */
  readonly references?: readonly string[];
  /** The number of the repository that holds it, where a store has several. */
  readonly repository?: number;
  /** Further repositories that hold a backup of this id: the lowest number counts. */
  readonly alsoIn?: readonly number[];
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
  /** Where the store tells no more of the version. */
  readonly postgresMajor?: number;
  readonly segmentBytes?: number;
  /** Bytes of the database files; of the stored objects. */
  readonly sizeBytes?: number;
  readonly storedBytes?: number;
  /** Names of tablespaces; restore and backup of clusters that have any are refused for now. */
  readonly tablespaces: readonly string[];
  /** Pages with a wrong checksum were found in the database when it was made. */
  readonly hasPageErrors?: boolean;
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
