// What the store has of one backup in barman's layout, how much of it is really there, and what holds it.
import type { CallOptions, ObjectStore } from "#store/store.ts";
import type { BackupRecord } from "../catalog.ts";
import type { BackupContents, Hold } from "../repository.ts";
import { isRecord, readEntry } from "./catalog.ts";
import { backupInfoKey, backupPrefix, holdKey, isBackupFile, keepKey, parseVolume } from "./layout.ts";

interface StoredFile {
  readonly name: string;
  readonly bytes: number;
}

/** One LIST, and one GET when the listing shows a backup.info. */
export async function readContents(
  store: ObjectStore,
  server: string,
  id: string,
  options: CallOptions,
): Promise<BackupContents> {
  const files = await listFiles(store, server, id, options);
  const volumes = files.filter(({ name }) => parseVolume(name) !== undefined);
  const hasData = volumes.length > 0;
  if (!files.some(({ name }) => name === "backup.info")) return { hasData };
  const entry = await readEntry(store, { server, id }, options.signal);
  if (!isRecord(entry)) return { hasData, unreadable: entry.error };
  const lacking = lackingData(entry, volumes);
  return { record: entry, hasData, ...(lacking !== undefined && { lacking }) };
}

/** Volumes are numbered from 0 without a gap, none is empty, and together they have the size that was recorded. Pure. */
export function lackingData(
  { storedBytes, tablespaces }: Pick<BackupRecord, "storedBytes" | "tablespaces">,
  volumes: readonly StoredFile[],
): string | undefined {
  const empty = volumes.find(({ bytes }) => bytes === 0);
  if (empty !== undefined) return `${empty.name} is empty`;
  const archives = new Map<string, Set<number>>();
  for (const { name } of volumes) {
    const volume = parseVolume(name);
    if (volume === undefined) continue;
    archives.set(volume.archive, (archives.get(volume.archive) ?? new Set()).add(volume.number));
  }
  if (!archives.has("data")) return "there is no data.tar";
  if (archives.size - 1 < tablespaces.length)
    return `of ${tablespaces.length} tablespaces ${archives.size - 1} are there`;
  for (const [archive, numbers] of archives) {
    const gap = [...numbers.keys()].sort((a, b) => a - b).findIndex((number, index) => number !== index);
    if (gap >= 0) return `${archive}${gap === 0 ? "" : `_${String(gap).padStart(4, "0")}`}.tar is not there`;
  }
  const bytes = volumes.reduce((sum, volume) => sum + volume.bytes, 0);
  if (storedBytes !== undefined && bytes !== storedBytes)
    return `its data has ${bytes} bytes, and ${storedBytes} were stored`;
  return undefined;
}

export async function readHolds(
  store: ObjectStore,
  server: string,
  id: string,
  options: CallOptions,
): Promise<readonly Hold[]> {
  const keys = [holdKey(server, id), keepKey(server, id)];
  const heads = await Promise.all(keys.map((key) => store.head(key, options)));
  return keys.filter((_, index) => heads[index] !== undefined).map((key) => ({ key }));
}

/** Metadata first. What was removed by an earlier try is not listed any more, so this goes on where that ended. */
export async function removeBackup(
  store: ObjectStore,
  server: string,
  id: string,
  options: CallOptions,
): Promise<number> {
  const files = await listFiles(store, server, id, options);
  const prefix = backupPrefix(server, id);
  const ours = files.filter(({ name }) => isBackupFile(name)).map(({ name }) => prefix + name);
  await store.delete([backupInfoKey(server, id)], options);
  const data = ours.filter((key) => key !== backupInfoKey(server, id));
  if (data.length > 0) await store.delete(data, options);
  return ours.length;
}

async function listFiles(
  store: ObjectStore,
  server: string,
  id: string,
  { signal }: CallOptions,
): Promise<readonly StoredFile[]> {
  const prefix = backupPrefix(server, id);
  const files: StoredFile[] = [];
  for await (const entry of store.list(prefix, { signal })) {
    if (entry.kind === "object") files.push({ name: entry.key.slice(prefix.length), bytes: entry.size });
  }
  return files;
}
