import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c } from "./crc32c.ts";
import { formatLsn } from "./lsn.ts";
import { parseSegmentName, segmentLsnRange } from "./segment.ts";
import { formatMicros } from "./timestamp.ts";
import { newestCommit } from "./wal-record.ts";
import { parseSegmentHeader } from "./wal-page.ts";

const golden = new URL("../../test/golden/postgres/", import.meta.url);
const expectations = JSON.parse(readFileSync(new URL("segments.json", golden), "utf8")) as readonly {
  major: number;
  file: string;
  name: string;
  time: string;
  lsn?: string;
}[];
const segmentFile = (file: string): Buffer => gunzipSync(readFileSync(new URL(file, golden)));

describe("segments that PostgreSQL wrote", () => {
  it.each(expectations)("$file ends where pg_waldump says", ({ file, major, name, time, lsn }) => {
    const segment = segmentFile(file);
    const { start } = segmentLsnRange(parseSegmentName(name)!, segment.byteLength);
    const newest = newestCommit(segment, { start })!;
    expect(formatMicros(newest.time)).toBe(time);
    if (lsn !== undefined) expect(formatLsn(newest.lsn)).toBe(lsn);
    expect(parseSegmentHeader(segment)).toMatchObject({
      pgVersion: major,
      start,
      timeline: 1,
      segmentBytes: 1024 * 1024,
      pageBytes: 8192,
    });
  });

  it("carry the system identifier of their pg_control", () => {
    const control = gunzipSync(readFileSync(new URL("pg_control-17.gz", golden)));
    const { systemId } = parseSegmentHeader(segmentFile("segment-17-cut.gz"));
    expect(systemId).toBe(control.readBigUInt64LE(0).toString());
  });
});

// What a small writer of WAL lays out here is what PostgreSQL would (xlog_internal.h, xlogrecord.h): the reader is then
// tried with every way that records and pages can meet.
const segmentBytes = 1024 * 1024;
const pageBytes = 8192;
const start = 7n * BigInt(segmentBytes);
const epoch = 946_684_800_000_000n;

const record = (manager: number, info: number, body: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(24 + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt8(info, 16);
  bytes.writeUInt8(manager, 17);
  bytes.set(body, 24);
  bytes.writeUInt32LE(crc32c(body, bytes.subarray(0, 20)), 20);
  return bytes;
};

/** A commit with `extra` bytes after its time; with a replication origin and top-level xid when `headers`. */
const commit = (time: bigint, extra = 0, headers = false, info = 0x00): Buffer => {
  const main = Buffer.alloc(8 + extra);
  main.writeBigInt64LE(time - epoch);
  const long = Buffer.from([254, 0, 0, 0, 0]);
  long.writeUInt32LE(main.length, 1);
  const head = main.length < 256 ? Buffer.from([255, main.length]) : long;
  const optional = headers ? [Buffer.from([253, 1, 0, 252, 9, 0, 0, 0])] : [];
  return record(1, info, Buffer.concat([...optional, head, main]));
};

const other = (length: number): Buffer => record(10, 0, Buffer.alloc(length, 0xaa));

const pageHeader = (offset: number, flags: number, remaining: number): Buffer => {
  const header = Buffer.alloc(offset === 0 ? 40 : 24);
  header.writeUInt16LE(0xd116, 0);
  header.writeUInt16LE(flags | (remaining > 0 ? 1 : 0) | (offset === 0 ? 2 : 0), 2);
  header.writeUInt32LE(1, 4);
  header.writeBigUInt64LE(start + BigInt(offset), 8);
  header.writeUInt32LE(remaining, 16);
  if (offset === 0) {
    header.writeBigUInt64LE(42n, 24);
    header.writeUInt32LE(segmentBytes, 32);
    header.writeUInt32LE(pageBytes, 36);
  }
  return header;
};

/** Lays the records into a segment whose first `before` bytes of WAL belong to a record of the segment before. */
const layOut = (
  records: readonly Buffer[],
  before = 0,
): { segment: Buffer; starts: readonly number[]; ends: readonly number[] } => {
  const segment = Buffer.alloc(segmentBytes);
  const starts: number[] = [];
  const ends: number[] = [];
  let at = 0;
  const write = (bytes: Uint8Array): boolean => {
    for (let done = 0; done < bytes.length;) {
      if (at >= segmentBytes) return false;
      if (at % pageBytes === 0) at += pageHeader(at, 0, bytes.length - done).copy(segment, at);
      const step = Math.min(bytes.length - done, pageBytes - (at % pageBytes));
      segment.set(bytes.subarray(done, done + step), at);
      at += step;
      done += step;
    }
    return true;
  };
  if (before > 0) write(Buffer.alloc(before, 0xbb));
  // PostgreSQL makes a segment with its first page's header, whatever comes after it.
  else at += pageHeader(0, 0, 0).copy(segment);
  for (const bytes of records) {
    at = Math.ceil(at / 8) * 8;
    if (at >= segmentBytes) break;
    if (at % pageBytes === 0) at += pageHeader(at, 0, 0).copy(segment, at);
    starts.push(at);
    const whole = write(bytes);
    ends.push(whole ? at : Number.POSITIVE_INFINITY);
  }
  return { segment, starts, ends };
};

describe("the newest end of a transaction", () => {
  it("is found whatever lies before, between and across the pages", () => {
    const entry = fc.oneof(
      fc.integer({ min: 0, max: 20_000 }).map((length) => ({ bytes: other(length) })),
      fc
        .record({ time: fc.bigInt(epoch, epoch * 3n), extra: fc.integer({ min: 0, max: 9000 }), headers: fc.boolean() })
        .map(({ time, extra, headers }) => ({ bytes: commit(time, extra, headers), time })),
    );
    const entries = fc.array(entry, { maxLength: 120 });
    fc.assert(
      fc.property(entries, fc.integer({ min: 0, max: 30_000 }), (list, before) => {
        const { segment, ends } = layOut(
          list.map(({ bytes }) => bytes),
          before,
        );
        // The last record of a full segment may go on in the next one.
        const whole = list.slice(0, ends.findLastIndex((end) => end <= segmentBytes) + 1);
        const times = whole.flatMap((item) => ("time" in item ? [item.time] : []));
        const wanted = times.length === 0 ? undefined : times.reduce((a, b) => (a > b ? a : b));
        expect(newestCommit(segment, { start })?.time).toBe(wanted);
      }),
      { numRuns: 60 },
    );
  });

  it("is the newest by time, and the last of equal ones", () => {
    const { segment, starts } = layOut([commit(epoch + 9n), commit(epoch + 5n), commit(epoch + 9n), other(50)]);
    expect(newestCommit(segment, { start })).toEqual({ time: epoch + 9n, lsn: start + BigInt(starts[2]!) });
  });

  it.each([
    ["commit", 0x80, true],
    ["abort", 0x20, true],
    ["commit prepared", 0x30, true],
    ["abort prepared", 0x40, true],
    ["prepare", 0x10, false],
    ["assignment", 0x50, false],
    ["invalidations", 0x60, false],
  ])("%s counts: %o", (_, info, counts) => {
    const { segment } = layOut([commit(epoch, 0, false, info)]);
    expect(newestCommit(segment, { start }) !== undefined).toBe(counts);
  });

  it("is not looked for after the end of the written WAL", () => {
    const { segment, starts } = layOut([commit(epoch), other(10_000), commit(epoch + 1n)]);
    // As in a recycled file: the second page still holds what was written for another place.
    segment.writeBigUInt64LE(start - BigInt(segmentBytes) + BigInt(pageBytes), pageBytes + 8);
    expect(newestCommit(segment, { start })?.lsn).toBe(start + BigInt(starts[0]!));
  });

  it("is not taken from a damaged record, nor from anything after it", () => {
    const { segment, starts } = layOut([commit(epoch), commit(epoch + 1n), commit(epoch + 2n)]);
    segment[starts[1]! + 30]! ^= 1;
    expect(newestCommit(segment, { start })?.time).toBe(epoch);
  });

  it("goes on where a new record replaced one that a crash cut off", () => {
    const { segment } = layOut([commit(epoch), other(30_000), commit(epoch + 1n)]);
    const late = commit(epoch + 2n);
    segment.fill(0, 2 * pageBytes);
    pageHeader(2 * pageBytes, 8, 0).copy(segment, 2 * pageBytes);
    late.copy(segment, 2 * pageBytes + 24);
    expect(newestCommit(segment, { start })).toEqual({ time: epoch + 2n, lsn: start + BigInt(2 * pageBytes + 24) });
  });

  it("does not exist in a segment that one long record fills, or that is empty", () => {
    expect(newestCommit(layOut([], 3 * segmentBytes).segment, { start })).toBeUndefined();
    expect(newestCommit(layOut([other(10)]).segment, { start })).toBeUndefined();
    expect(newestCommit(layOut([record(1, 0, Buffer.from([3, 1, 2, 3]))]).segment, { start })).toBeUndefined();
    expect(newestCommit(layOut([record(1, 0, Buffer.from([253]))]).segment, { start })).toBeUndefined();
  });

  it("is found in a segment cut short, as far as it goes", () => {
    const { segment, starts } = layOut([commit(epoch), other(30_000), commit(epoch + 1n)]);
    for (const length of [pageBytes, pageBytes + 10, starts[2]! + 2, starts[2]! + 30]) {
      expect(newestCommit(segment.subarray(0, length), { start })?.time).toBe(epoch);
    }
    const onePage = layOut([commit(epoch), commit(epoch + 1n)]);
    expect(newestCommit(onePage.segment.subarray(0, onePage.starts[1]! + 2), { start })?.time).toBe(epoch);
  });

  it.each<[string, (segment: Buffer) => Uint8Array, string, RegExp]>([
    ["a short file", (segment) => segment.subarray(0, 20), "Damaged", /too short/],
    ["zeros", (segment) => segment.fill(0), "Damaged", /does not begin with a wal page/],
    ["compressed bytes", () => Buffer.alloc(100, 0x1f), "Damaged", /does not begin/],
    ["a short header", (segment) => segment.fill(0, 2, 4), "Damaged", /damaged first page header/],
    ["PostgreSQL 14", (segment) => segment.fill(0x0d, 0, 1), "Unsupported", /page magic d10d/],
    ["an old version", (segment) => segment.fill(0xd0, 0, 2), "Unsupported", /page magic d0d0/],
    [
      "another segment",
      (segment) => segment.fill(9, 11, 12),
      "Damaged",
      /begins at 0\/9700000, by its name at 0\/700000/,
    ],
  ])("is not looked for in %s", (_, damage, kind, message) => {
    const { segment } = layOut([commit(epoch)]);
    expect(() => newestCommit(damage(segment), { start })).toThrow(
      expect.objectContaining({ kind, message: expect.stringMatching(message) }),
    );
  });
});
