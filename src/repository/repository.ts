// The port over both layouts of backups in a store: what drills, windows, records and conditions know of a repository.
// It has no words of barman or pgBackRest; "server" is barman's server name or pgBackRest's stanza.
import type { SegmentName } from "#postgres/segment.ts";
import type { HistoryEntry } from "#postgres/timeline.ts";
import type { BackupRecord, Catalog } from "./catalog.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
}

/** A store may hold the WAL of a database before and after major upgrades, one archive after the other. */
export interface GenerationOptions extends CallOptions {
  /** The version of the database that is meant; the present one when absent, or where the store has no such archive. */
  readonly postgresMajor?: number;
}

/** A segment in the archive. `bytes` as stored, that is compressed. */
export interface ArchivedWal {
  readonly name: SegmentName;
  readonly key: string;
  readonly bytes: number;
  readonly storedAt: Date;
}

/** The end of the archive. */
export interface NewestWal extends ArchivedWal {
  /**
   * The newest commit found in the last segments, in microseconds since 1970: replay comes at least that far. Absent
   * when those segments end no transaction, or cannot be read.
   */
  readonly commitTime?: bigint;
  /** Why the time could not be read, in one line. */
  readonly commitTimeUnknown?: string;
}

export interface NewestWalOptions extends GenerationOptions {
  /** The answer before. */
  readonly known?: NewestWal;
  /** Only its name counts: no segment is read for the time of a commit. */
  readonly nameOnly?: boolean;
}

/** Whose archive this is, as the store says. */
export interface Owner {
  /** Decimal text. */
  readonly systemId: string;
  /** Absent when the store tells of no Cluster: somebody else's program archived here. */
  readonly cluster?: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly since?: Date;
}

/** Both ends are counted. */
export interface SegmentRange {
  readonly first: SegmentName;
  readonly last: SegmentName;
  readonly segmentBytes: number;
}

export interface MissingSegments {
  /** The first of them in order, at most 100. */
  readonly names: readonly SegmentName[];
  readonly count: number;
}

/** What the store has of one backup. */
export interface BackupContents {
  /** Its metadata, read back; undefined when there is none, or it cannot be read. */
  readonly record?: BackupRecord;
  readonly unreadable?: string;
  /** Whether there is any object of its data. */
  readonly hasData: boolean;
  /** What its data lacks of what its metadata says, in one line; absent when all of it is there. */
  readonly lacking?: string;
}

/** What keeps a backup from being deleted. */
export interface Hold {
  /** The object that says so. */
  readonly key: string;
}

/** Every call throws StoreError when the store does not answer, so that an empty answer always means empty. */
export interface Repository {
  /** Where this is, for messages. Holds no credential. */
  readonly location: string;

  /** Names of all servers that have a backup or WAL here, in order. */
  servers(options: CallOptions): Promise<readonly string[]>;

  /** All backups of a server, also none. `known`: what was read before; finished backups are not read again. */
  catalog(server: string, options: CallOptions & { readonly known?: Catalog }): Promise<Catalog>;

  /**
   * The last segment of the newest timeline that has one; undefined in an empty archive. `known`: the answer before;
   * while the archive has not grown, nothing is read again.
   */
  newestWal(server: string, options: NewestWalOptions): Promise<NewestWal | undefined>;

  /** Which segments of a range, all on one timeline, the archive does not hold whole. */
  missingSegments(server: string, range: SegmentRange, options: CallOptions): Promise<MissingSegments>;

  /** The names among `wanted` (segments, history files) that the archive does not hold, in their order. */
  missingFiles(server: string, wanted: readonly string[], options: CallOptions): Promise<readonly string[]>;

  /** What there is of one backup: reads its metadata and lists its data. */
  contents(server: string, id: string, options: CallOptions): Promise<BackupContents>;

  /** The marks that hold a backup; none is an empty list. */
  holds(server: string, id: string, options: CallOptions): Promise<readonly Hold[]>;

  /**
   * Removes a backup: its metadata first, so that nobody counts a half removed one, then its data. Never WAL, never an
   * object that is not a backup's. May be repeated; resolves to how many objects (of files, or of backups) were removed.
   * Throws RepositoryError "InUse" and removes nothing when others cannot be restored without it.
   */
  removeBackup(server: string, id: string, options: CallOptions): Promise<number>;

  /** The history of a timeline; undefined when it is not in the archive, or damaged. */
  history(server: string, timeline: number, options: GenerationOptions): Promise<readonly HistoryEntry[] | undefined>;

  /** The timelines whose history files are in the archive, in order. */
  historyTimelines(server: string, options: GenerationOptions): Promise<readonly number[]>;

  /** Undefined: nobody claimed this server's archive yet. Throws RepositoryError when the mark is damaged. */
  owner(server: string, options: CallOptions): Promise<Owner | undefined>;
}
