// Reads what a store in barman's layout holds: its servers, and the catalog of one of them. One LIST for a thousand
// objects below base/, and one GET for each backup.info that is not known from before.
import type { ObjectStore } from "#store/store.ts";
import type { BackupRecord, Catalog } from "../catalog.ts";
import { RepositoryError } from "../errors.ts";
import { parseBackupInfo } from "./backup-info.ts";
import { toBackupRecord, unfinishedRecord } from "./backup-record.ts";
import { inParallel } from "../in-parallel.ts";
import { backupInfoKey, basePrefix, parseBackupKey, serverPrefix, walsPrefix } from "./layout.ts";
import { readSmallObject } from "./small-object.ts";

const requestsAtOnce = 8;

/**
 * Reads the catalog of a server; one without any backup when there is none. A finished backup never changes, so those
 * of `known` are not read again while their backup.info is listed. Content that cannot be read becomes an entry of `unreadable`;
 * a store that does not answer throws StoreError.
 */
export async function readCatalog(
  store: ObjectStore,
  server: string,
  options: { readonly signal: AbortSignal; readonly known?: Catalog },
): Promise<Catalog> {
  const known = new Map(
    options.known?.server === server
      ? options.known.backups.filter(({ status }) => status === "done").map((backup) => [backup.id, backup])
      : [],
  );
  const listed = await listBackups(store, server, options.signal);
  const entries = await inParallel([...listed], requestsAtOnce, async ([id, hasInfo]) => {
    if (!hasInfo) return unfinishedRecord(id);
    return known.get(id) ?? (await readEntry(store, { server, id }, options.signal));
  });
  return {
    server,
    backups: entries.filter(isRecord).sort(byEndTime),
    unreadable: entries.filter(isUnreadable),
  };
}

/** The names of all servers in the store: the directories that hold a backup or WAL, in byte order. */
export async function listServers(
  store: ObjectStore,
  options: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const candidates: string[] = [];
  for await (const entry of store.list("", { delimiter: "/", signal: options.signal })) {
    if (entry.kind === "prefix") candidates.push(entry.prefix.slice(0, -1));
  }
  const found = await inParallel(candidates, requestsAtOnce, async (server) => {
    for await (const entry of store.list(serverPrefix(server), { delimiter: "/", signal: options.signal })) {
      if (entry.kind !== "prefix") continue;
      if (entry.prefix === basePrefix(server) || entry.prefix === walsPrefix(server)) return true;
    }
    return false;
  });
  return candidates.filter((_, index) => found[index]);
}

export interface Unreadable {
  readonly id: string;
  readonly error: string;
}

export const isRecord = (entry: BackupRecord | Unreadable): entry is BackupRecord => "status" in entry;
const isUnreadable = (entry: BackupRecord | Unreadable): entry is Unreadable => !isRecord(entry);

/** The ids of all backups in byte order, each with whether its backup.info is there. */
async function listBackups(
  store: ObjectStore,
  server: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, boolean>> {
  const listed = new Map<string, boolean>();
  for await (const entry of store.list(basePrefix(server), { signal })) {
    const place = entry.kind === "object" ? parseBackupKey(server, entry.key) : undefined;
    if (place === undefined) continue;
    listed.set(place.id, place.file === "backup.info" || listed.get(place.id) === true);
  }
  return listed;
}

/** What backup.info says of a backup. */
export async function readEntry(
  store: ObjectStore,
  { server, id }: { readonly server: string; readonly id: string },
  signal: AbortSignal,
): Promise<BackupRecord | Unreadable> {
  try {
    const content = await readSmallObject(store, backupInfoKey(server, id), { signal });
    if (content === undefined) return unfinishedRecord(id);
    const read = parseBackupInfo(content);
    return read.kind === "info" ? toBackupRecord(id, read.info) : { id, error: read.error };
  } catch (error) {
    if (!(error instanceof RepositoryError)) throw error;
    return { id, error: error.message };
  }
}

/** Oldest first; those without an end last; the id decides between equals. */
function byEndTime(a: BackupRecord, b: BackupRecord): number {
  const [endA, endB] = [a.endTime?.getTime() ?? Infinity, b.endTime?.getTime() ?? Infinity];
  if (endA !== endB) return endA < endB ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}
