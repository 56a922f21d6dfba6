// The arithmetic of a base backup: ids, how the archive is cut, and which WAL makes it complete. Pure.
import {
  formatSegmentName,
  historyFileName,
  segmentBeforeLsn,
  segmentOfLsn,
  type SegmentName,
} from "#postgres/segment.ts";
import { isAncestor, pathTo, timelineAt, type HistoryEntry } from "#postgres/timeline.ts";

/** "20261121T091500": barman's form, always in UTC. */
export const backupIdAt = (date: Date): string => date.toISOString().slice(0, 19).replaceAll(/[-:]/g, "");

const mebibyte = 1024 * 1024;
/** S3's limit; the other providers allow more. */
const partsMax = 10_000;
const partBytesDefault = 8 * mebibyte;
/** barman-cloud's default of --max-archive-size. */
const volumeBytesDefault = 100_000_000_000;
/** A volume ends this far below what its parts can hold: relation files are cut at 1 GiB. */
const volumeReserveBytes = 2 * 1024 * mebibyte;

export interface Cut {
  readonly partBytes: number;
  readonly volumeBytes: number;
  readonly volumeBytesMax: number;
}

/**
 * How the archive is cut into parts and volumes. Parts are small, because several are in memory at once; a volume that
 * they cannot hold ends earlier. Compressed volumes are measured before compression, which keeps them below the limit.
 */
export function cutArchive(limits: { readonly minChunkBytes?: number; readonly maxArchiveBytes?: number }): Cut {
  const partBytes = Math.max(partBytesDefault, Math.ceil((limits.minChunkBytes ?? 0) / mebibyte) * mebibyte);
  const volumeBytesMax = partBytes * partsMax;
  const volumeBytes = Math.min(limits.maxArchiveBytes ?? volumeBytesDefault, volumeBytesMax - volumeReserveBytes);
  return { partBytes, volumeBytes, volumeBytesMax };
}

/** "data.tar", "data_0001.tar.gz" */
export const volumeFile = (index: number, extension: string): string =>
  `data${index === 0 ? "" : `_${String(index).padStart(4, "0")}`}.tar${extension}`;

/** From where to where WAL is needed; the end's timeline differs when a standby followed a failover during the copy. */
export interface WalRange {
  readonly beginLsn: bigint;
  readonly beginTimeline: number;
  readonly endLsn: bigint;
  readonly endTimeline: number;
  readonly segmentBytes: number;
  /** The history file's content of the end's timeline; empty for timeline 1. */
  readonly history: readonly HistoryEntry[];
}

/** The segment of the first byte needed, and of the last (PostgreSQL: do_pg_backup_stop, XLByteToPrevSeg). */
export const beginSegment = (range: WalRange): SegmentName =>
  segmentOfLsn(range.beginLsn, range.beginTimeline, range.segmentBytes);
export const endSegment = (range: WalRange): SegmentName =>
  segmentBeforeLsn(range.endLsn, range.endTimeline, range.segmentBytes);

/**
 * The names of all WAL files without which the backup cannot become consistent, oldest first. Undefined when the
 * history does not lead from the begin's timeline to the end's.
 */
export function requiredWal(range: WalRange): readonly string[] | undefined {
  const history = range.beginTimeline === range.endTimeline ? [] : range.history;
  const path = pathTo(range.endTimeline, history);
  if (path === undefined || !isAncestor(path, range.beginTimeline)) return undefined;
  const bytes = BigInt(range.segmentBytes);
  const names: string[] = [];
  for (let segment = range.beginLsn / bytes; segment <= (range.endLsn - 1n) / bytes; segment++) {
    // A segment in which a timeline ends exists in whole only on the next one, which begins with a copy of it.
    const lastByte = (segment + 1n) * bytes - 1n;
    const timeline = timelineAt(path, lastByte) ?? range.endTimeline;
    names.push(formatSegmentName({ timeline, segment }, range.segmentBytes));
  }
  const timelines = path.map((span) => span.timeline).filter((timeline) => timeline > range.beginTimeline);
  return [...names, ...timelines.map(historyFileName)];
}

/** "000000010000000000000004, …05 and 12 more": enough of a list for a message. */
export function someOf(names: readonly string[], shown = 3): string {
  const rest = names.length - shown;
  return rest > 0 ? `${names.slice(0, shown).join(", ")} and ${rest} more` : names.join(", ");
}
