// What has to happen to a stanza before this database system may archive to it. Pure: from what pg_control, the
// repositories and the owner's mark say.
import type { OwnerMark } from "#repository/barman/owner.ts";
import { databasesOf, type DatabaseInfo, type PgbackrestInfo } from "#repository/pgbackrest/info-json.ts";
import { isTrusted } from "#repository/pgbackrest/repository-state.ts";
import { unsupportedByImage } from "#repository/pgbackrest/version.ts";
import type { ArchiveErrorKind } from "../archive/errors.ts";
import type { ClusterIdentity } from "../archive/owner-guard.ts";

export interface ObservedStanza {
  readonly systemId: string;
  /** The major version: 15. */
  readonly pgVersion: number;
  readonly info: PgbackrestInfo;
  /** Of the first repository that has one. */
  readonly owner?: OwnerMark;
  readonly cluster: ClusterIdentity;
  /** The cluster is new: a stanza that holds something is refused. */
  readonly checkEmpty: boolean;
  /** The user's word that a stanza with content is meant. */
  readonly skipCheck: boolean;
}

export type StanzaPlan =
  /** In some repository the stanza is right; in those named something has to be done first. */
  | { readonly kind: "use"; readonly create: readonly number[]; readonly upgrade: readonly number[] }
  /** No repository has answered. */
  | { readonly kind: "unknown"; readonly message: string }
  | { readonly kind: "refuse"; readonly error: ArchiveErrorKind; readonly message: string; readonly hint: string };

export function planStanza(observed: ObservedStanza): StanzaPlan {
  const { info, pgVersion, checkEmpty, skipCheck } = observed;
  const message = unsupportedByImage(pgVersion);
  if (message !== undefined)
    return {
      kind: "refuse",
      error: "StoreRefused",
      message,
      hint: `use an ObjectStore, or PostgreSQL ${pgVersion - 1}`,
    };
  const answered = info.repositories.filter(({ state }) => isTrusted(state));
  if (answered.length === 0) {
    const said = info.repositories.map(({ key, status }) => `repository ${key}: ${status.message}`);
    return { kind: "unknown", message: said.join("; ") };
  }
  const there = answered.filter(({ state }) => state !== "NoStanza").map(({ key }) => key);
  const other = there.filter((key) => !isOurs(observed, databasesOf(info, key)[0]));
  for (const key of other) {
    const foreign = refuseForeign(observed, key);
    if (foreign !== undefined) return foreign;
  }
  const used = there.find((key) => holdsSomething(info, key));
  if (checkEmpty && !skipCheck && used !== undefined && !isMarkedAsOurs(observed)) {
    return {
      kind: "refuse",
      error: "ExpectedEmptyArchive",
      message: `Expected empty archive: stanza ${info.stanza} has backups or WAL in repository ${used}`,
      hint: "give this cluster another Stanza, or set the annotation cnpg.io/skipEmptyWalArchiveCheck to enabled",
    };
  }
  const create = answered.filter(({ state }) => state === "NoStanza").map(({ key }) => key);
  return { kind: "use", create, upgrade: other };
}

const isOurs = ({ systemId, pgVersion }: ObservedStanza, database: DatabaseInfo | undefined): boolean =>
  database?.systemId === systemId && database.version === String(pgVersion);

/** Nothing when it is that of the same Cluster before a major upgrade. */
function refuseForeign(observed: ObservedStanza, key: number): StanzaPlan | undefined {
  const { systemId, pgVersion, owner, cluster, info } = observed;
  const [present, ...before] = databasesOf(info, key);
  const theirs = `database system ${present?.systemId ?? "unknown"}, PostgreSQL ${present?.version ?? "unknown"}`;
  const ours = `this is database system ${systemId}, PostgreSQL ${pgVersion}`;
  const refuse = (message: string, hint: string): StanzaPlan => ({
    kind: "refuse",
    error: "ForeignArchive",
    message: `stanza ${info.stanza} in repository ${key} ${message}`,
    hint,
  });
  if (before.some((database) => isOurs(observed, database)))
    return refuse(`has been upgraded to ${theirs}; ${ours}`, "give this cluster a Stanza of its own");
  const isOwners =
    owner?.cluster.uid === cluster.uid &&
    cluster.uid !== "" &&
    (owner.systemId === present?.systemId || (owner.systemId === systemId && wasOursElsewhere(observed, present)));
  if (isOwners && pgVersion > Number(present?.version)) return undefined;
  const of = owner === undefined ? "" : ` of cluster ${owner.cluster.namespace}/${owner.cluster.name}`;
  return refuse(
    `belongs to ${theirs}${of}; ${ours}`,
    owner === undefined
      ? "give this cluster a Stanza of its own; when it is the same one after a major upgrade, run pgbackrest stanza-upgrade"
      : "give this cluster a Stanza of its own",
  );
}

/** The mark is another repository's and tells of today only: what we were before is in the history of that one. */
const wasOursElsewhere = (observed: ObservedStanza, was: DatabaseInfo | undefined): boolean =>
  observed.info.repositories.some(({ key }) => {
    const [present, ...before] = databasesOf(observed.info, key);
    const isIt = ({ systemId, version }: DatabaseInfo): boolean =>
      systemId === was?.systemId && version === was?.version;
    return isOurs(observed, present) && before.some(isIt);
  });

const holdsSomething = ({ archives, backups }: PgbackrestInfo, key: number): boolean =>
  backups.some(({ repositoryKey }) => repositoryKey === key) ||
  archives.some(({ repositoryKey, max }) => repositoryKey === key && max !== undefined);

/** What it holds is this Cluster's own: it was archived before CNPG noted that it had been. */
const isMarkedAsOurs = ({ owner, cluster, systemId }: ObservedStanza): boolean =>
  owner?.systemId === systemId && owner.cluster.uid === cluster.uid;
