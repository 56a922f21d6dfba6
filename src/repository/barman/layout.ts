// Where barman-cloud 3.19 keeps things, as keys relative to the store's prefix: `<server>/base/<id>/…` for backups,
// `<server>/wals/…` for WAL. Our own marks are under `<server>/holdfast/`, where barman's tools never look. Pure.
import { parseWalFileName } from "#postgres/segment.ts";

/** Suffixes that barman-cloud knows on WAL files; the suffix, not backup.info, tells how an object is compressed. */
export const walExtensions = ["", ".gz", ".bz2", ".xz", ".snappy", ".zst", ".lz4"] as const;
export type WalExtension = (typeof walExtensions)[number];

export const serverPrefix = (server: string): string => `${server}/`;
export const basePrefix = (server: string): string => `${server}/base/`;
export const walsPrefix = (server: string): string => `${server}/wals/`;

/** The owner mark: which PostgreSQL system archives here (see owner.ts). */
export const ownerKey = (server: string): string => `${server}/holdfast/owner.json`;

/** A mark of ours that keeps a backup from being deleted; what it says is for people. */
export const holdKey = (server: string, id: string): string => `${server}/holdfast/holds/${id}`;
/** Barman's own: `barman-cloud-backup-keep` makes it. */
export const keepKey = (server: string, id: string): string => dataKey(server, id, "annotations/keep");

/** Everything of one backup. */
export const backupPrefix = (server: string, id: string): string => `${basePrefix(server)}${id}/`;
export const backupInfoKey = (server: string, id: string): string => dataKey(server, id, "backup.info");
/** A file of a backup: "data.tar", "data_0001.tar.gz", "16388.tar" … */
export const dataKey = (server: string, id: string, file: string): string => backupPrefix(server, id) + file;

/**
 * The archive of which a file of a backup is a volume, and its number: "data_0001.tar.gz" is the second of "data". A
 * tablespace's is called by its oid. Undefined for a file of another kind.
 */
export function parseVolume(file: string): { readonly archive: string; readonly number: number } | undefined {
  const match = /^(data|\d+)(?:_(\d{4,}))?\.tar(?:\.\w+)?$/.exec(file);
  return match === null ? undefined : { archive: match[1] ?? "", number: Number(match[2] ?? 0) };
}

/** Whether barman or we put a file of this name into a backup's folder; anything else there is somebody else's. */
export const isBackupFile = (file: string): boolean =>
  file === "backup.info" || file === "backup_label" || parseVolume(file) !== undefined;

/** The id of a backup and the file, from the key of an object below base/. */
export function parseBackupKey(
  server: string,
  key: string,
): { readonly id: string; readonly file: string } | undefined {
  const base = basePrefix(server);
  if (!key.startsWith(base)) return undefined;
  const slash = key.indexOf("/", base.length);
  const id = key.slice(base.length, Math.max(slash, 0));
  return slash > 0 && isBackupId(id) ? { id, file: key.slice(slash + 1) } : undefined;
}

/** The id of a backup from a common prefix of a listing of base/ ("pg/base/20261121T091500/"). */
export function parseBackupPrefix(server: string, prefix: string): string | undefined {
  const base = basePrefix(server);
  if (!prefix.startsWith(base) || !prefix.endsWith("/")) return undefined;
  const id = prefix.slice(base.length, -1);
  return isBackupId(id) ? id : undefined;
}

/** Barman makes "YYYYMMDDTHHMMSS", but reads any directory name; a path separator or dot name is never an id. */
export const isBackupId = (id: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(id);

/** The key of a WAL file of any kind: segments in a directory of 16 digits, history files directly under wals/. */
export const walKey = (server: string, name: string, extension: WalExtension): string =>
  walPrefix(server, name) + extension;

/** The key without the compression's suffix; listing it finds the file whatever its compression. */
export function walPrefix(server: string, name: string): string {
  const file = parseWalFileName(name);
  if (file === undefined) throw new RangeError(`not the name of a wal file: ${JSON.stringify(name)}`);
  return file.kind === "history" ? walsPrefix(server) + name : `${walDirectory(server, name)}${name}`;
}

/** The directory that holds a segment and its neighbours: the first 16 digits of the name (4 GiB of WAL). */
export const walDirectory = (server: string, segmentName: string): string =>
  `${walsPrefix(server)}${segmentName.slice(0, 16)}/`;

/** The WAL file a key stands for; undefined for a foreign object or one in the wrong directory. */
export function parseWalKey(
  server: string,
  key: string,
): { readonly name: string; readonly extension: WalExtension } | undefined {
  const prefix = walsPrefix(server);
  if (!key.startsWith(prefix)) return undefined;
  const fileName = key.slice(key.lastIndexOf("/") + 1);
  const extension = walExtensions.find((candidate) => candidate !== "" && fileName.endsWith(candidate)) ?? "";
  const name = fileName.slice(0, fileName.length - extension.length);
  if (parseWalFileName(name) === undefined) return undefined;
  return walKey(server, name, extension) === key ? { name, extension } : undefined;
}
