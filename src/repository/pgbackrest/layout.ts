// Where pgBackRest keeps things, as paths relative to its repository: `archive/<stanza>/<version>-<database>/…` for WAL,
// `backup/<stanza>/<label>/…` for backups. Pure. (pgBackRest: src/command/archive/common.c, src/command/backup/common.c)
import { historyFileName, parseSegmentName, type SegmentName } from "#postgres/segment.ts";

/** A database's folder below the archive: "15-1" is the first database of the stanza, of version 15. */
export interface ArchiveId {
  readonly id: string;
  readonly version: string;
  readonly databaseId: number;
}

export const archivePath = (stanza: string): string => `archive/${stanza}`;
export const archiveIdPath = (stanza: string, id: string): string => `${archivePath(stanza)}/${id}`;
/** A folder for each 4 GiB of WAL, named by the first 16 digits of its segments. */
export const walPath = (stanza: string, id: string, name: string): string =>
  `${archiveIdPath(stanza, id)}/${name.slice(0, 16)}`;
export const historyPath = (stanza: string, id: string, timeline: number): string =>
  `${archiveIdPath(stanza, id)}/${historyFileName(timeline)}`;
export const backupPath = (stanza: string, label: string): string => `backup/${stanza}/${label}`;
/** The list of the backup's files. */
export const manifestName = "backup.manifest";
export const manifestPath = (stanza: string, label: string): string => `${backupPath(stanza, label)}/${manifestName}`;

/** Our own mark: whose stanza this is, from before its first backup on. */
export const ownerMarkPath = (stanza: string): string => `holdfast/${stanza}.owner.json`;

/** Filters are extended regular expressions; their fixed beginning becomes the prefix that an object store is asked for. */
export const archiveIdFilter = "^[0-9.]+-[0-9]+$";
export const historyFilter = String.raw`^[0-9A-F]{8}\.history$`;
/** Segments whose name begins so; never a partial one. */
export const segmentFilter = (prefix: string): string => `^${prefix}[0-9A-F]{${24 - prefix.length}}-`;

export function parseArchiveId(id: string): ArchiveId | undefined {
  const [, version, databaseId] = /^(\d+(?:\.\d+)?)-(\d+)$/.exec(id) ?? [];
  return version === undefined ? undefined : { id, version, databaseId: Number(databaseId) };
}

/** "<segment>-<SHA-1 of it>.gz"; undefined for any other file, such as a partial segment or the label of a backup. */
export function parseStoredWal(file: string): { readonly name: SegmentName; readonly extension: string } | undefined {
  const match = /^([0-9A-F]{24})-[0-9a-f]{40}(\.[a-z0-9]{1,5})?$/.exec(file);
  const name = parseSegmentName(match?.[1] ?? "");
  return name === undefined ? undefined : { name, extension: match?.[2] ?? "" };
}

/** "20261126-181459F", "20261126-181459F_20261126-181503I" */
export const isBackupLabel = (text: string): boolean => /^\d{8}-\d{6}F(_\d{8}-\d{6}[DI])?$/.test(text);
