// What the WAL archives of a stanza's repositories hold together: their end, what is missing, and the histories.
import { text } from "node:stream/consumers";
import { formatSegmentName, segmentPosition, type SegmentName } from "#postgres/segment.ts";
import { parseHistory, type HistoryEntry } from "#postgres/timeline.ts";
import type { CallOptions } from "#store/store.ts";
import { endOfArchive, segmentsReadMax, type StoredSegment } from "../commit-time.ts";
import { RepositoryError } from "../errors.ts";
import type { GenerationOptions, MissingSegments, NewestWal, NewestWalOptions, SegmentRange } from "../repository.ts";
import { askAll, askUntil } from "./across.ts";
import type { RepositoryFiles } from "./files.ts";
import { historyPath } from "./layout.ts";
import {
  listArchiveIds,
  listHistoryTimelines,
  listNewestSegments,
  presentFiles,
  presentInRange,
} from "./wal-listing.ts";

type Repositories = readonly RepositoryFiles[];

const missingNamesMax = 100;
/** A range is a bit for each segment in memory: 16 TB of WAL. */
const rangeMax = 1_000_000n;

/** The end of the archive that reaches furthest; of two that reach as far, that of the lower number. */
export async function readNewestWal(
  repositories: Repositories,
  options: NewestWalOptions,
): Promise<NewestWal | undefined> {
  const ends = await askAll(repositories, async (files) => {
    const [id] = await listArchiveIds(files, options);
    const segments = id === undefined ? [] : await listNewestSegments(files, id, segmentsReadMax, options);
    return { files, id, segments };
  });
  // A repository that was left out of an upgrade still has the old database's WAL as its newest.
  const latest = Math.max(...ends.map(({ id }) => Number.parseInt(id ?? "0", 10)));
  const [furthest] = ends
    .filter(({ id, segments }) => segments.length > 0 && Number.parseInt(id ?? "0", 10) === latest)
    .sort((a, b) => ((a.segments[0]?.name ?? "") < (b.segments[0]?.name ?? "") ? 1 : -1));
  if (furthest === undefined) return undefined;
  const { files, segments } = furthest;
  const read = async <T>(
    segment: StoredSegment,
    consume: Parameters<typeof files.read<T>>[1],
    call: CallOptions,
  ): Promise<T> => {
    const content = await files.read(segment.key, async (body) => ({ value: await consume(body) }), call);
    if (content !== undefined) return content.value;
    throw new RepositoryError("Damaged", "it was listed and is gone");
  };
  return endOfArchive(segments, read, options);
}

export async function findMissingSegments(
  repositories: Repositories,
  range: SegmentRange,
  options: CallOptions,
): Promise<MissingSegments> {
  const { timeline, segment: from } = segmentPosition(range.first, range.segmentBytes);
  const last = segmentPosition(range.last, range.segmentBytes);
  if (last.timeline !== timeline) throw new RangeError(`segments of two timelines: ${range.first}, ${range.last}`);
  if (last.segment - from >= rangeMax)
    throw new RangeError(`more than ${rangeMax} segments: ${range.first}, ${range.last}`);
  return askUntil(
    repositories,
    (files) => presentInRange(files, range, options),
    (each) => {
      const names: SegmentName[] = [];
      let count = 0;
      for (let at = 0; at <= Number(last.segment - from); at++) {
        if (each.some((present) => ((present[at >> 3] ?? 0) & (1 << (at & 7))) !== 0)) continue;
        count++;
        if (names.length < missingNamesMax)
          names.push(formatSegmentName({ timeline, segment: from + BigInt(at) }, range.segmentBytes));
      }
      return { result: { names, count }, isSettled: count === 0 };
    },
  );
}

export const findMissingFiles = (
  repositories: Repositories,
  wanted: readonly string[],
  options: CallOptions,
): Promise<readonly string[]> =>
  askUntil(
    repositories,
    (files) => presentFiles(files, wanted, options),
    (each) => {
      const missing = wanted.filter((name) => !each.some((present) => present.has(name)));
      return { result: missing, isSettled: missing.length === 0 };
    },
  );

/** A history file has a line for each promotion. */
const historyBytesMax = 1024 * 1024;

/** Undefined when the file is not there or damaged: nothing may be concluded from it then. */
export const readHistory = (
  repositories: Repositories,
  timeline: number,
  options: GenerationOptions,
): Promise<readonly HistoryEntry[] | undefined> =>
  askUntil(
    repositories,
    async (files) => {
      for (const id of await listArchiveIds(files, options)) {
        const content = await files.read(historyPath(files.stanza, id, timeline), text, options);
        if (content !== undefined && content.length <= historyBytesMax) return parseHistory(content);
      }
      return undefined;
    },
    (each) => {
      const found = each.find((entries) => entries !== undefined);
      return { result: found, isSettled: found !== undefined };
    },
  );

export async function readHistoryTimelines(
  repositories: Repositories,
  options: GenerationOptions,
): Promise<readonly number[]> {
  const each = await askAll(repositories, async (files) => {
    const [id] = await listArchiveIds(files, options);
    return id === undefined ? [] : await listHistoryTimelines(files, id, options);
  });
  return [...new Set(each.flat())].sort((a, b) => a - b);
}
