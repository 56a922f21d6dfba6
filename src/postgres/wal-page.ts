// Page headers of WAL segments, PostgreSQL 15 to 18 on little-endian machines. The first page of a segment has the long
// header, which names the system and the sizes (PostgreSQL: src/include/access/xlog_internal.h). Pure.
import { PostgresFileError } from "./errors.ts";
import { isSegmentBytes } from "./segment.ts";
import type { SupportedMajor } from "./version.ts";

/** What the first page of a segment says about the whole. */
export interface SegmentHeader {
  readonly pgVersion: SupportedMajor;
  /** Decimal text, as in ControlData. */
  readonly systemId: string;
  readonly timeline: number;
  /** LSN of the segment's first byte. */
  readonly start: bigint;
  readonly segmentBytes: number;
  readonly pageBytes: number;
}

export interface PageHeader {
  /** A record of an earlier page goes on here, with `remaining` bytes to come. */
  readonly continues: boolean;
  /** A crash cut off the record that an earlier page began: it does not count, and a new one begins here. */
  readonly overwritten: boolean;
  readonly remaining: number;
  /** LSN of the page; of another place in a recycled file that was not written so far. */
  readonly address: bigint;
  /** Length of this header. */
  readonly bytes: number;
}

/** XLOG_PAGE_MAGIC changes with each major. */
const majorByMagic: ReadonlyMap<number, SupportedMajor> = new Map([
  [0xd110, 15],
  [0xd113, 16],
  [0xd116, 17],
  [0xd118, 18],
]);

const flagContinues = 0x0001;
const flagLongHeader = 0x0002;
const flagOverwritten = 0x0008;
const shortHeaderBytes = 24;
const longHeaderBytes = 40;

/**
 * Reads the header of a segment from its first 40 bytes or more. Throws PostgresFileError: "Unsupported" for another
 * version, "Damaged" for bytes that begin no segment.
 */
export function parseSegmentHeader(segment: Uint8Array): SegmentHeader {
  if (segment.byteLength < longHeaderBytes) throw new PostgresFileError("Damaged", "wal segment is too short");
  const view = viewOf(segment);
  const magic = view.getUint16(0, true);
  const pgVersion = majorByMagic.get(magic);
  if (pgVersion === undefined) {
    const isWal = (magic & 0xff00) === 0xd000 || (magic & 0xff00) === 0xd100;
    throw isWal
      ? new PostgresFileError("Unsupported", `wal segment has the page magic ${magic.toString(16)} of another version`)
      : new PostgresFileError("Damaged", "wal segment does not begin with a wal page");
  }
  const segmentBytes = view.getUint32(32, true);
  const pageBytes = view.getUint32(36, true);
  const isLong = (view.getUint16(2, true) & flagLongHeader) !== 0;
  if (!isLong || !isSegmentBytes(segmentBytes) || !isPageBytes(pageBytes)) {
    throw new PostgresFileError("Damaged", "wal segment has a damaged first page header");
  }
  return {
    pgVersion,
    systemId: view.getBigUint64(24, true).toString(),
    timeline: view.getUint32(4, true),
    start: view.getBigUint64(8, true),
    segmentBytes,
    pageBytes,
  };
}

/** Reads the header of the page at `offset`; undefined where no WAL of this version was written. */
export function readPageHeader(view: DataView, offset: number): PageHeader | undefined {
  if (offset + shortHeaderBytes > view.byteLength || !majorByMagic.has(view.getUint16(offset, true))) return undefined;
  const flags = view.getUint16(offset + 2, true);
  return {
    continues: (flags & flagContinues) !== 0,
    overwritten: (flags & flagOverwritten) !== 0,
    remaining: view.getUint32(offset + 16, true),
    address: view.getBigUint64(offset + 8, true),
    bytes: (flags & flagLongHeader) === 0 ? shortHeaderBytes : longHeaderBytes,
  };
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** XLOG_BLCKSZ: 1 to 64 KiB, a power of two. */
const isPageBytes = (bytes: number): boolean => bytes >= 1024 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0;
