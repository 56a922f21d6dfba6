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

/** Everything of one backup. */
export const backupPrefix = (server: string, id: string): string => `${basePrefix(server)}${id}/`;
export const backupInfoKey = (server: string, id: string): string => dataKey(server, id, "backup.info");
/** A file of a backup: "data.tar", "data_0001.tar.gz", "16388.tar" … */
export const dataKey = (server: string, id: string, file: string): string => backupPrefix(server, id) + file;

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
