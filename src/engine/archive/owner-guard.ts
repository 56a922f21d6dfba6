// Whose archive this is, asked once for each archive before anything is stored in it. The mark holdfast/owner.json names
// the database system; a new archive is claimed with a conditional put, so that of two clusters only one wins.
import { text } from "node:stream/consumers";
import { readControlFile } from "#postgres/control.ts";
import { PostgresFileError } from "#postgres/errors.ts";
import {
  backupInfoKey,
  basePrefix,
  ownerKey,
  parseBackupPrefix,
  parseWalKey,
  walsPrefix,
} from "#repository/barman/layout.ts";
import { isStoreError, StoreError } from "#store/errors.ts";
import { ArchiveError } from "./errors.ts";
import { describeArchive, describeObject, type ArchiveLocation } from "./location.ts";

/** An archive of another system shows itself in its newest backups; older ones may be of an earlier life. */
const backupsReadMax = 16;
const smallObjectBytesMax = 1024 * 1024;

export interface ClusterIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

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

interface Owner {
  readonly systemId: string;
  /** "namespace/name" */
  readonly cluster: string;
}

/**
 * Returns when the archive belongs to the database system of `pgdata`, claiming an unclaimed one for it. Throws
 * ArchiveError "ForeignArchive", "ExpectedEmptyArchive" or "LocalFile", and StoreError.
 */
export async function checkOwner(check: OwnerCheck): Promise<Ownership> {
  const { systemId, segmentBytes } = await readControl(check.pgdata, check.signal);
  let owner = await readOwner(check.location, check.signal);
  if (owner === undefined) {
    if (!check.skipCheck) await refuseForeignContent(check, systemId);
    owner = await claim(check, systemId);
  }
  if (owner.systemId === systemId) return { systemId, segmentBytes };
  throw new ArchiveError(
    "ForeignArchive",
    `${describeArchive(check.location)} belongs to cluster ${owner.cluster}, database system ${owner.systemId}; ` +
      `this is database system ${systemId}`,
    { hint: "give this cluster another serverName in the plugin's parameters" },
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

async function readOwner(location: ArchiveLocation, signal: AbortSignal): Promise<Owner | undefined> {
  const key = ownerKey(location.server);
  const content = await readSmallObject(location, key, signal);
  if (content === undefined) return undefined;
  const owner = parseOwner(content);
  if (owner !== undefined) return owner;
  throw new ArchiveError("ForeignArchive", `${describeObject(location, key)} is damaged`, {
    hint: "the next archived file writes it anew after it is removed; first make sure whose archive this is",
  });
}

/** Writes our mark unless someone else did meanwhile; returns whose mark is there now. */
async function claim(check: OwnerCheck, systemId: string): Promise<Owner> {
  const { location, cluster, signal } = check;
  const { namespace, name, uid } = cluster;
  const mark = { systemID: systemId, cluster: { namespace, name, uid }, since: new Date().toISOString() };
  try {
    const body = Buffer.from(`${JSON.stringify(mark, undefined, 2)}\n`);
    await location.store.put(ownerKey(location.server), body, { ifAbsent: true, signal });
    return { systemId, cluster: `${namespace}/${name}` };
  } catch (error) {
    if (!isStoreError(error, "AlreadyExists")) throw error;
    const owner = await readOwner(location, signal);
    if (owner !== undefined) return owner;
    throw new StoreError("Unavailable", `the owner's mark of ${describeArchive(location)} changes`, { cause: error });
  }
}

/** An unclaimed archive may hold WAL of barman. Whose it is, its backups tell; without any, only the user can. */
async function refuseForeignContent({ location, checkEmpty, signal }: OwnerCheck, systemId: string): Promise<void> {
  const wal = await findWal(location, signal);
  if (wal === undefined) return;
  const foreign: { readonly id: string; readonly systemId: string }[] = [];
  for (const id of await newestBackups(location, signal)) {
    const info = await readSmallObject(location, backupInfoKey(location.server, id), signal);
    const found = /^systemid=(\d+)\r?$/m.exec(info ?? "")?.[1];
    if (found === systemId) return;
    if (found !== undefined) foreign.push({ id, systemId: found });
  }
  const hint =
    "give this cluster another serverName, or set the annotation cnpg.io/skipEmptyWalArchiveCheck to enabled";
  if (checkEmpty) {
    const message = `Expected empty archive: ${describeObject(location, wal)} is there, and no backup of this database system`;
    throw new ArchiveError("ExpectedEmptyArchive", message, { hint });
  }
  const [newest] = foreign;
  if (newest === undefined) return;
  throw new ArchiveError(
    "ForeignArchive",
    `${describeArchive(location)} holds backup ${newest.id} of database system ${newest.systemId} and none of ${systemId}`,
    { hint },
  );
}

async function findWal({ store, server }: ArchiveLocation, signal: AbortSignal): Promise<string | undefined> {
  for await (const entry of store.list(walsPrefix(server), { signal })) {
    if (entry.kind === "object" && parseWalKey(server, entry.key) !== undefined) return entry.key;
  }
  return undefined;
}

async function newestBackups({ store, server }: ArchiveLocation, signal: AbortSignal): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const entry of store.list(basePrefix(server), { delimiter: "/", signal })) {
    const id = entry.kind === "prefix" ? parseBackupPrefix(server, entry.prefix) : undefined;
    if (id !== undefined) ids.push(id);
  }
  return ids.slice(-backupsReadMax).toReversed();
}

/** The object's text; undefined when it is not there, or too big to be what it should be. */
async function readSmallObject(
  { store }: ArchiveLocation,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { body, size } = await store.get(key, { signal });
    if (size <= smallObjectBytesMax) return await text(body);
    body.destroy();
    return undefined;
  } catch (error) {
    if (isStoreError(error, "NotFound")) return undefined;
    throw error;
  }
}

function parseOwner(content: string): Owner | undefined {
  try {
    const { systemID, cluster } = JSON.parse(content) as { systemID?: unknown; cluster?: Partial<ClusterIdentity> };
    if (typeof systemID !== "string" || cluster === undefined) return undefined;
    return { systemId: systemID, cluster: `${cluster.namespace ?? "?"}/${cluster.name ?? "?"}` };
  } catch {
    return undefined;
  }
}
