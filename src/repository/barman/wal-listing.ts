// What is in the WAL archive of a server, by listing alone: the newest segments, the history files, what is missing of
// a range. wals/ has a directory for each 4 GiB of WAL, so few requests tell even of a long archive.
import {
  formatSegmentName,
  parseWalFileName,
  segmentNameFits,
  segmentPosition,
  type SegmentName,
} from "#postgres/segment.ts";
import type { CallOptions, ObjectStore } from "#store/store.ts";
import type { ArchivedWal, MissingSegments, SegmentRange } from "../repository.ts";
import { parseWalKey, walDirectory, walsPrefix, type WalExtension } from "./layout.ts";

export interface StoredSegment extends ArchivedWal {
  readonly extension: WalExtension;
}

interface WalTop {
  /** The 16 digits of each directory, in order: timeline and number of 4 GiB. */
  readonly directories: readonly string[];
  readonly historyTimelines: readonly number[];
}

const missingNamesMax = 100;

/**
 * The last `count` segments of the newest timeline that has any, newest first. A promotion archives the new timeline's
 * history file before its first segment; until then the last segment of the old one is the end of the archive.
 */
export async function listNewestSegments(
  store: ObjectStore,
  server: string,
  count: number,
  options: CallOptions,
): Promise<readonly StoredSegment[]> {
  const { directories } = await listTop(store, server, options);
  const found: StoredSegment[] = [];
  for (const directory of directories.toReversed()) {
    const [newest] = found;
    const isOlderTimeline = newest !== undefined && !newest.name.startsWith(directory.slice(0, 8));
    if (found.length >= count || isOlderTimeline) break;
    found.push(...(await listDirectory(store, server, directory, options)).toReversed());
  }
  return found.slice(0, count);
}

/** The timelines that have a history file, in order. */
export async function listHistoryTimelines(
  store: ObjectStore,
  server: string,
  options: CallOptions,
): Promise<readonly number[]> {
  return (await listTop(store, server, options)).historyTimelines;
}

/**
 * Which segments of the range are not there, under whatever compression. Only what is listed counts, never a ".partial".
 * Costs a LIST for each thousand segments; keeps nothing in memory but the answer.
 */
export async function findMissingSegments(
  store: ObjectStore,
  server: string,
  range: SegmentRange,
  options: CallOptions,
): Promise<MissingSegments> {
  const { timeline, segment: last } = segmentPosition(range.last, range.segmentBytes);
  const first = segmentPosition(range.first, range.segmentBytes);
  if (first.timeline !== timeline) throw new RangeError(`segments of two timelines: ${range.first}, ${range.last}`);
  const names: SegmentName[] = [];
  let count = 0n;
  let next = first.segment;
  const missUpTo = (end: bigint): void => {
    for (let at = next; at < end && names.length < missingNamesMax; at++) {
      names.push(formatSegmentName({ timeline, segment: at }, range.segmentBytes));
    }
    if (end > next) count += end - next;
  };
  while (next <= last) {
    const from = formatSegmentName({ timeline, segment: next }, range.segmentBytes);
    const directoryEnd = endOfDirectory(next, range.segmentBytes);
    for await (const { name } of walkDirectory(store, server, from, options)) {
      if (name < range.first || !segmentNameFits(name, range.segmentBytes)) continue;
      if (name > range.last) break;
      const { segment } = segmentPosition(name, range.segmentBytes);
      missUpTo(segment);
      if (segment >= next) next = segment + 1n;
    }
    const end = directoryEnd <= last ? directoryEnd : last + 1n;
    missUpTo(end);
    next = end;
  }
  return { names, count: Number(count) };
}

/** The number of the first segment after the 4 GiB that this one lies in. */
function endOfDirectory(segment: bigint, segmentBytes: number): bigint {
  const inDirectory = 2n ** 32n / BigInt(segmentBytes);
  return (segment / inDirectory + 1n) * inDirectory;
}

async function listTop(store: ObjectStore, server: string, options: CallOptions): Promise<WalTop> {
  const prefix = walsPrefix(server);
  const directories: string[] = [];
  const timelines = new Set<number>();
  for await (const entry of store.list(prefix, { delimiter: "/", signal: options.signal })) {
    if (entry.kind === "prefix") {
      const directory = entry.prefix.slice(prefix.length, -1);
      if (/^[0-9A-F]{16}$/.test(directory)) directories.push(directory);
    } else {
      const file = parseWalFileName(parseWalKey(server, entry.key)?.name ?? "");
      if (file?.kind === "history") timelines.add(file.timeline);
    }
  }
  return { directories, historyTimelines: [...timelines].sort((a, b) => a - b) };
}

async function listDirectory(
  store: ObjectStore,
  server: string,
  directory: string,
  options: CallOptions,
): Promise<readonly StoredSegment[]> {
  const segments: StoredSegment[] = [];
  for await (const segment of walkDirectory(store, server, directory, options)) segments.push(segment);
  return segments;
}

/**
 * The segments of one directory in order; a name twice when two compressions of it are there. `from` names the directory
 * by its 16 digits, or also the segment to begin near: 15 before it at most, since the last digit is left out.
 */
async function* walkDirectory(
  store: ObjectStore,
  server: string,
  from: string,
  options: CallOptions,
): AsyncGenerator<StoredSegment> {
  const directory = walDirectory(server, from);
  const start = from.length > 16 ? { startAfter: directory + from.slice(0, -1) } : {};
  for await (const entry of store.list(directory, { ...start, signal: options.signal })) {
    if (entry.kind !== "object") continue;
    const parsed = parseWalKey(server, entry.key);
    const file = parseWalFileName(parsed?.name ?? "");
    if (parsed === undefined || file?.kind !== "segment") continue;
    const { key, size: bytes, lastModified: storedAt } = entry;
    yield { name: file.name, key, extension: parsed.extension, bytes, storedAt };
  }
}
