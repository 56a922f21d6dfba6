// Whose archive this is, asked once for each archive before anything is stored in it. The mark holdfast/owner.json names
// the database system; a new archive is claimed with a conditional put, so that of two clusters only one wins.
import { readControlFile } from "#postgres/control.ts";
import { PostgresFileError } from "#postgres/errors.ts";
import { readCatalog } from "#repository/barman/catalog.ts";
import { parseWalKey, walsPrefix } from "#repository/barman/layout.ts";
import { claimOwner, readOwner, type OwnerMark } from "#repository/barman/owner.ts";
import { ArchiveError } from "./errors.ts";
import { describeArchive, describeObject, type ArchiveLocation } from "./location.ts";

export type ClusterIdentity = OwnerMark["cluster"];

/** What pg_control says of the database system that the archive is known to belong to. */
export interface Ownership {
  readonly systemId: string;
  readonly segmentBytes: number;
}

export interface OwnerCheck {
  readonly pgdata: string;
  readonly location: ArchiveLocation;
  readonly cluster: ClusterIdentity;
  /** The cluster is new: WAL of unknown origin is refused. */
  readonly checkEmpty: boolean;
  /** The user's word that WAL of unknown origin is meant; an owner's mark is respected all the same. */
  readonly skipCheck: boolean;
  readonly signal: AbortSignal;
}

/**
 * Returns when the archive belongs to the database system of `pgdata`, claiming an unclaimed one for it. Throws
 * ArchiveError "ForeignArchive", "ExpectedEmptyArchive" or "LocalFile", and StoreError.
 */
export async function checkOwner(check: OwnerCheck): Promise<Ownership> {
  const { location, cluster, signal } = check;
  const { systemId, segmentBytes } = await readControl(check.pgdata, signal);
  let owner = await readOwner(location.store, location.server, { signal });
  if (owner === undefined) {
    if (!check.skipCheck) await refuseForeignContent(check, systemId);
    const mark = { systemId, cluster, since: new Date() };
    const { encryption } = location;
    owner = await claimOwner(location.store, location.server, mark, { signal, ...(encryption && { encryption }) });
  }
  if (owner.systemId === systemId) return { systemId, segmentBytes };
  const hint = "give this cluster another serverName in the plugin's parameters";
  // Its own archive from before: admission asks for another name with the upgrade, but can be bypassed.
  const isUpgraded = owner.cluster.uid === cluster.uid && cluster.uid !== "";
  throw new ArchiveError(
    "ForeignArchive",
    `${describeArchive(location)} belongs to cluster ${owner.cluster.namespace}/${owner.cluster.name}, ` +
      `database system ${owner.systemId}; this is database system ${systemId}`,
    { hint: isUpgraded ? `${hint}, as after every major upgrade; what is in this one stays` : hint },
  );
}

async function readControl(pgdata: string, signal: AbortSignal): Promise<Ownership> {
  try {
    return await readControlFile(pgdata, { signal });
  } catch (error) {
    if (!(error instanceof PostgresFileError)) throw error;
    throw new ArchiveError("LocalFile", `cannot tell which database system this is: ${error.message}`, {
      cause: error,
    });
  }
}

/** An unclaimed archive may hold WAL of barman. Whose it is, its backups tell; without any, only the user can. */
async function refuseForeignContent({ location, checkEmpty, signal }: OwnerCheck, systemId: string): Promise<void> {
  const wal = await findWal(location, signal);
  if (wal === undefined) return;
  const { backups } = await readCatalog(location.store, location.server, { signal });
  if (backups.some((backup) => backup.systemId === systemId)) return;
  const hint =
    "give this cluster another serverName, or set the annotation cnpg.io/skipEmptyWalArchiveCheck to enabled";
  if (checkEmpty) {
    const message = `Expected empty archive: ${describeObject(location, wal)} is there, and no backup of this database system`;
    throw new ArchiveError("ExpectedEmptyArchive", message, { hint });
  }
  const newest = backups.findLast((backup) => backup.systemId !== undefined);
  if (newest === undefined) return;
  throw new ArchiveError(
    "ForeignArchive",
    `${describeArchive(location)} holds backup ${newest.id} of database system ${newest.systemId ?? ""} and none of ${systemId}`,
    { hint },
  );
}

async function findWal({ store, server }: ArchiveLocation, signal: AbortSignal): Promise<string | undefined> {
  for await (const entry of store.list(walsPrefix(server), { signal })) {
    if (entry.kind === "object" && parseWalKey(server, entry.key) !== undefined) return entry.key;
  }
  return undefined;
}
