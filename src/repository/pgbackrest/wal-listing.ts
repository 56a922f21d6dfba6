// What is in the WAL archive of one repository, by listing alone. Each listing is a process and one request or a few, so
// a long range is listed by one process that goes through all folders.
import { parseWalFileName, segmentNameFits, segmentPosition, type SegmentName } from "#postgres/segment.ts";
import type { CallOptions } from "#store/store.ts";
import type { StoredSegment } from "../commit-time.ts";
import type { GenerationOptions, SegmentRange } from "../repository.ts";
import type { RepositoryFiles } from "./files.ts";
import {
  archiveIdFilter,
  archiveIdPath,
  archivePath,
  historyFilter,
  parseArchiveId,
  parseStoredWal,
  segmentFilter,
  walPath,
} from "./layout.ts";
import { WalRuns, type MissingWal } from "./wal-runs.ts";

/** From this many folders on, one process lists all of them. */
const foldersMax = 4;

/** The folders of the stanza's databases, the present one first; of one version only, where there is one of it. */
export async function listArchiveIds(
  files: RepositoryFiles,
  { signal, postgresMajor }: GenerationOptions,
): Promise<readonly string[]> {
  const ids = [...(files.archiveIds ?? [])];
  const onName = (name: string): void => void ids.push(name);
  if (files.archiveIds === undefined)
    await files.names(archivePath(files.stanza), { filter: archiveIdFilter, onName, signal });
  const all = ids.flatMap((id) => parseArchiveId(id) ?? []).sort((a, b) => b.databaseId - a.databaseId);
  const meant = all.filter(({ version }) => version === String(postgresMajor));
  return (meant.length > 0 ? meant : all).map(({ id }) => id);
}

/** The last `count` segments of the newest timeline that has any, newest first. */
export async function listNewestSegments(
  files: RepositoryFiles,
  id: string,
  count: number,
  { signal }: CallOptions,
): Promise<readonly StoredSegment[]> {
  const folders: string[] = [];
  const path = archiveIdPath(files.stanza, id);
  await files.names(path, { filter: "^[0-9A-F]{16}$", onName: (name) => void folders.push(name), signal });
  const found: StoredSegment[] = [];
  for (const folder of folders.sort().toReversed()) {
    const isOlderTimeline = found[0] !== undefined && !found[0].name.startsWith(folder.slice(0, 8));
    if (found.length >= count || isOlderTimeline) break;
    const listed = await files.list(walPath(files.stanza, id, folder), { filter: segmentFilter(folder), signal });
    const segments = listed.flatMap(({ name: file, bytes, storedAt }) => {
      const stored = parseStoredWal(file);
      return stored === undefined ? [] : [{ ...stored, key: `${path}/${folder}/${file}`, bytes, storedAt }];
    });
    found.push(...segments.sort((a, b) => (a.key < b.key ? 1 : -1)));
  }
  return found.slice(0, count);
}

/** The timelines that have a history file, in order. */
export async function listHistoryTimelines(
  files: RepositoryFiles,
  id: string,
  { signal }: CallOptions,
): Promise<readonly number[]> {
  const timelines: number[] = [];
  const onName = (name: string): void => {
    const file = parseWalFileName(name);
    if (file?.kind === "history") timelines.push(file.timeline);
  };
  await files.names(archiveIdPath(files.stanza, id), { filter: historyFilter, onName, signal });
  return timelines.sort((a, b) => a - b);
}

/** Numbers of the segments of the range that are there, by their place in it: memory is a bit for each. */
export async function presentInRange(
  files: RepositoryFiles,
  { first, last, segmentBytes }: SegmentRange,
  options: CallOptions,
): Promise<Uint8Array> {
  const from = segmentPosition(first, segmentBytes).segment;
  const count = Number(segmentPosition(last, segmentBytes).segment - from) + 1;
  const present = new Uint8Array(Math.ceil(Math.max(0, count) / 8));
  const note = (name: SegmentName): void => {
    if (name < first || name > last || !segmentNameFits(name, segmentBytes)) return;
    const at = Number(segmentPosition(name, segmentBytes).segment - from);
    present[at >> 3] = (present[at >> 3] ?? 0) | (1 << (at & 7));
  };
  await forDatabaseOf(files, first, options, (id) =>
    listSegments(files, { id, folders: foldersBetween(first, last), note }, options),
  );
  return present;
}

/** What is missing in the archive of the present database, by one listing of all of it; see WalRuns. */
export async function listMissingWal(
  files: RepositoryFiles,
  { segmentBytes, settled }: { readonly segmentBytes: number; readonly settled: SegmentName | undefined },
  options: CallOptions,
): Promise<MissingWal> {
  const [id] = await listArchiveIds(files, options);
  const runs = new WalRuns(segmentBytes);
  if (id === undefined) return runs.missing(settled);
  const onName = (path: string): void => {
    const stored = parseStoredWal(path.slice(path.lastIndexOf("/") + 1));
    if (stored !== undefined) runs.add(stored.name);
  };
  const filter = "^[0-9A-F]{16}/[0-9A-F]{24}-";
  await files.names(archiveIdPath(files.stanza, id), { filter, recurse: true, onName, signal: options.signal });
  return runs.missing(settled);
}

/** The names among `wanted` that are there. */
export async function presentFiles(
  files: RepositoryFiles,
  wanted: readonly string[],
  options: CallOptions,
): Promise<ReadonlySet<string>> {
  const names = new Set(wanted);
  const present = new Set<string>();
  const segments = wanted.filter((name) => parseWalFileName(name)?.kind === "segment");
  const folders = [...new Set(segments.map((name) => name.slice(0, 16)))].sort();
  await forDatabaseOf(files, segments[0], options, async (id) => {
    const note = (name: string): void => void (names.has(name) && present.add(name));
    await listSegments(files, { id, folders, note }, options);
    if (segments.length === wanted.length) return;
    await files.names(archiveIdPath(files.stanza, id), { filter: historyFilter, onName: note, signal: options.signal });
  });
  return present;
}

/**
 * An upgrade begins a folder of its own, in which the names go on. Looks in the newest that has the first file that is
 * asked for, and in the present one when none has it.
 */
async function forDatabaseOf(
  files: RepositoryFiles,
  first: string | undefined,
  options: CallOptions,
  look: (id: string) => Promise<void>,
): Promise<void> {
  const ids = await listArchiveIds(files, options);
  const [present, ...older] = ids;
  if (present === undefined) return;
  for (const id of first === undefined || older.length === 0 ? [] : ids) {
    let isThere = false;
    const onName = (): void => void (isThere = true);
    await files.names(walPath(files.stanza, id, first ?? ""), { filter: `^${first}-`, onName, signal: options.signal });
    if (isThere) return await look(id);
  }
  await look(present);
}

interface WantedSegments {
  readonly id: string;
  readonly folders: readonly string[];
  readonly note: (name: SegmentName) => void;
}

async function listSegments(
  files: RepositoryFiles,
  { id, folders, note }: WantedSegments,
  { signal }: CallOptions,
): Promise<void> {
  const onName = (path: string): void => {
    const stored = parseStoredWal(path.slice(path.lastIndexOf("/") + 1));
    if (stored !== undefined) note(stored.name);
  };
  if (folders.length > foldersMax) {
    const filter = `^${commonPrefix(folders[0] ?? "", folders.at(-1) ?? "")}[0-9A-F]*/[0-9A-F]{24}-`;
    await files.names(archiveIdPath(files.stanza, id), { filter, recurse: true, onName, signal });
    return;
  }
  for (const folder of folders) {
    await files.names(walPath(files.stanza, id, folder), { filter: segmentFilter(folder), onName, signal });
  }
}

/** The names of folders from one segment's to another's of the same timeline. */
function foldersBetween(first: SegmentName, last: SegmentName): readonly string[] {
  const timeline = first.slice(0, 8);
  const [from, to] = [Number.parseInt(first.slice(8, 16), 16), Number.parseInt(last.slice(8, 16), 16)];
  return Array.from(
    { length: Math.max(0, to - from + 1) },
    (_, index) => timeline + (from + index).toString(16).toUpperCase().padStart(8, "0"),
  );
}

function commonPrefix(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return one.slice(0, length);
}
