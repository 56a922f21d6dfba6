// Names and positions of WAL files for every wal_segment_size. A segment's name is timeline, then the segment number
// split at 4 GiB of WAL, 8 hexadecimal digits each. Pure arithmetic (PostgreSQL: src/include/access/xlog_internal.h).

/** 24 upper-case hexadecimal digits; made only by this file. */
export type SegmentName = string & { readonly brand: "SegmentName" };

/** `segment` counts from LSN 0 in units of the segment size. */
export interface SegmentPosition {
  readonly timeline: number;
  readonly segment: bigint;
}

export const defaultSegmentBytes = 16 * 1024 * 1024;

const segmentBytesMin = 1024 * 1024;
const segmentBytesMax = 1024 * 1024 * 1024;
const xlogIdBytes = 2n ** 32n;
const walBytes = 2n ** 64n;

/** Whether PostgreSQL accepts this wal_segment_size: a power of two from 1 MiB to 1 GiB. */
export const isSegmentBytes = (bytes: number): boolean =>
  Number.isInteger(bytes) && bytes >= segmentBytesMin && bytes <= segmentBytesMax && (bytes & (bytes - 1)) === 0;

/** Reads a segment's file name; undefined for anything else (".partial", ".history", lower case). */
export const parseSegmentName = (name: string): SegmentName | undefined =>
  /^[0-9A-F]{24}$/.test(name) && !name.startsWith("00000000") ? (name as SegmentName) : undefined;

/** The name of a segment; throws RangeError for a position that cannot exist. */
export function formatSegmentName(position: SegmentPosition, segmentBytes: number): SegmentName {
  const { timeline, segment } = position;
  const perXlogId = segmentsPerXlogId(segmentBytes);
  if (!isTimeline(timeline)) throw new RangeError(`timeline out of range: ${timeline}`);
  if (segment < 0n || segment >= walBytes / BigInt(segmentBytes)) {
    throw new RangeError(`wal segment number out of range: ${segment}`);
  }
  return (hex8(timeline) + hex8(segment / perXlogId) + hex8(segment % perXlogId)) as SegmentName;
}

/** Whether a segment of this name can exist with this segment size: its last 8 digits have a limit. */
export const segmentNameFits = (name: SegmentName, segmentBytes: number): boolean =>
  BigInt(`0x${name.slice(16)}`) < segmentsPerXlogId(segmentBytes);

/** Where a segment lies; throws RangeError when the name cannot exist with this segment size. */
export function segmentPosition(name: SegmentName, segmentBytes: number): SegmentPosition {
  if (!segmentNameFits(name, segmentBytes)) {
    throw new RangeError(`wal segment ${name} cannot exist with a segment size of ${segmentBytes} bytes`);
  }
  const segment = BigInt(`0x${name.slice(8, 16)}`) * segmentsPerXlogId(segmentBytes) + BigInt(`0x${name.slice(16)}`);
  return { timeline: segmentTimeline(name), segment };
}

export const segmentTimeline = (name: SegmentName): number => Number.parseInt(name.slice(0, 8), 16);

/** The segment after this one on the same timeline; throws RangeError at the end of all WAL. */
export const nextSegment = (name: SegmentName, segmentBytes: number): SegmentName => shift(name, segmentBytes, 1n);

/** The segment before this one on the same timeline; throws RangeError before segment 0. */
export const previousSegment = (name: SegmentName, segmentBytes: number): SegmentName => shift(name, segmentBytes, -1n);

/** The segment that holds the byte at `lsn`. */
export const segmentOfLsn = (lsn: bigint, timeline: number, segmentBytes: number): SegmentName =>
  formatSegmentName({ timeline, segment: lsn / BigInt(segmentBytes) }, segmentBytes);

/**
 * The segment that holds the last byte before `lsn`: what is needed to replay up to an end position that lies exactly
 * on a segment's border (PostgreSQL: XLByteToPrevSeg).
 */
export const segmentBeforeLsn = (lsn: bigint, timeline: number, segmentBytes: number): SegmentName =>
  segmentOfLsn(lsn - 1n, timeline, segmentBytes);

/** The LSN of a segment's first byte, and of the first byte after it. */
export function segmentLsnRange(
  name: SegmentName,
  segmentBytes: number,
): { readonly start: bigint; readonly end: bigint } {
  const start = segmentPosition(name, segmentBytes).segment * BigInt(segmentBytes);
  return { start, end: start + BigInt(segmentBytes) };
}

/** Orders by timeline, then position: the order of the names themselves. */
export const compareSegments = (a: SegmentName, b: SegmentName): number => (a < b ? -1 : a > b ? 1 : 0);

/** How many segments lie from `first` to `last`, both counted; 0 when `last` is before `first`. Same timeline only. */
export function countSegments(first: SegmentName, last: SegmentName, segmentBytes: number): bigint {
  const from = segmentPosition(first, segmentBytes);
  const to = segmentPosition(last, segmentBytes);
  if (from.timeline !== to.timeline) throw new RangeError(`segments of two timelines: ${first}, ${last}`);
  return to.segment < from.segment ? 0n : to.segment - from.segment + 1n;
}

/** All names from `first` to `last`, both included, lazily. Throws RangeError for more than `limit` of them. */
export function* segmentsBetween(
  first: SegmentName,
  last: SegmentName,
  segmentBytes: number,
  limit: number,
): Generator<SegmentName, void, undefined> {
  const count = countSegments(first, last, segmentBytes);
  if (count > BigInt(limit)) throw new RangeError(`${count} segments from ${first} to ${last}, more than ${limit}`);
  const from = segmentPosition(first, segmentBytes);
  for (let offset = 0n; offset < count; offset++) {
    yield formatSegmentName({ timeline: from.timeline, segment: from.segment + offset }, segmentBytes);
  }
}

/** What a file of the WAL archive is, by its name without any compression suffix. */
export type WalFile =
  | { readonly kind: "segment"; readonly name: SegmentName }
  /** The last, unfinished segment of a timeline that was left by promotion. */
  | { readonly kind: "partial"; readonly segment: SegmentName }
  /** The label of a backup: its start segment and the byte offset in it. */
  | { readonly kind: "backupLabel"; readonly segment: SegmentName; readonly offset: number }
  | { readonly kind: "history"; readonly timeline: number };

/** Tells the kinds of WAL file apart; undefined for a name that PostgreSQL never hands to archive_command. */
export function parseWalFileName(name: string): WalFile | undefined {
  const segment = parseSegmentName(name.slice(0, 24));
  if (segment !== undefined) {
    if (name.length === 24) return { kind: "segment", name: segment };
    if (name === `${segment}.partial`) return { kind: "partial", segment };
    const label = /^\.([0-9A-F]{8})\.backup$/.exec(name.slice(24));
    return label === null ? undefined : { kind: "backupLabel", segment, offset: Number.parseInt(label[1] ?? "", 16) };
  }
  const history = /^([0-9A-F]{8})\.history$/.exec(name);
  if (history === null) return undefined;
  const timeline = Number.parseInt(history[1] ?? "", 16);
  return timeline === 0 ? undefined : { kind: "history", timeline };
}

/** "00000002.history" */
export const historyFileName = (timeline: number): string => `${hex8(timeline)}.history`;

const isTimeline = (timeline: number): boolean => Number.isInteger(timeline) && timeline > 0 && timeline <= 0xffff_ffff;

function shift(name: SegmentName, segmentBytes: number, by: bigint): SegmentName {
  const { timeline, segment } = segmentPosition(name, segmentBytes);
  return formatSegmentName({ timeline, segment: segment + by }, segmentBytes);
}

function segmentsPerXlogId(segmentBytes: number): bigint {
  if (!isSegmentBytes(segmentBytes)) throw new RangeError(`not a wal segment size: ${segmentBytes} bytes`);
  return xlogIdBytes / BigInt(segmentBytes);
}

const hex8 = (value: number | bigint): string => value.toString(16).toUpperCase().padStart(8, "0");
