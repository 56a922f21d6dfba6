// The terms in which a Stanza is observed and judged. Pure.
import type { Stanza } from "#api/gen/stanza.ts";
import type { SegmentName } from "#postgres/segment.ts";
import type { Catalog } from "#repository/catalog.ts";
import type { BackupInfo } from "#repository/pgbackrest/info.ts";
import type { RepositoryState } from "#repository/pgbackrest/repository-state.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import type { MissingWal } from "#repository/pgbackrest/wal-runs.ts";
import type { Owner } from "#repository/repository.ts";
import type { Check } from "#store/check.ts";
import type { Problem } from "../opening-problem.ts";

export type Status = NonNullable<Stanza["status"]>;
/** The field manager of a Stanza's status: who writes it applies all of it. */
export const statusManager = "holdfast";

export type RepositoryStatus = NonNullable<Status["repositories"]>[number];

/** pgBackRest, set up for a Stanza. */
export interface OpenedStanza {
  readonly pgbackrest: Pgbackrest;
  /** Another object after anything of the Stanza or its Secrets has changed. */
  readonly config: StanzaConfig;
}

/** What a repository holds, from a look that could read it. */
export interface RepositoryContent {
  readonly catalog: Catalog;
  /** In pgBackRest's words, oldest first. */
  readonly backups: readonly BackupInfo[];
  readonly firstWal?: SegmentName;
  readonly newestWal?: SegmentName;
  readonly encrypted: boolean;
  /** Decimal text. */
  readonly systemId?: string;
  /** pgBackRest's number of that database system: the stanza has had one system more for each upgrade. */
  readonly databaseId?: number;
  /** The systems from before upgrades. */
  readonly former?: readonly FormerSystem[];
  /** Absent while its WAL could not be listed since its backups changed, or retention ran. */
  readonly continuity?: Continuity;
}

/** What a listing of the repository's WAL found missing. */
export interface Continuity extends MissingWal {
  /** What it was made for: see continuity.ts. */
  readonly listedFor: string;
}

export interface FormerSystem {
  readonly systemId: string;
  /** "15" */
  readonly version?: string;
  readonly newestWal?: SegmentName;
}

export interface ObservedRepository {
  /** pgBackRest's number of it. */
  readonly key: number;
  readonly type: "s3" | "azure";
  readonly location: string;
  readonly state: RepositoryState;
  /** What pgBackRest said, when its state is not Ok. */
  readonly message?: string;
  /** Of the last preflight; none where there is no such thing. */
  readonly checks: readonly Check[];
  /** Of this look, or of the last one that could read it. */
  readonly content?: RepositoryContent;
  readonly isRead: boolean;
}

/** The newest segment of the archive. */
export interface ArchiveEnd {
  readonly name: SegmentName;
  readonly storedAt?: Date;
  /** Of the newest commit in it, in microseconds since 1970. */
  readonly commitTime?: bigint;
}

/** What could be asked, or why nothing could. */
export type Look =
  | {
      readonly kind: "looked";
      readonly repositories: readonly ObservedRepository[];
      readonly end?: ArchiveEnd;
      readonly owner: Owner | undefined;
    }
  | { readonly kind: "unopened"; readonly problem: Problem };
