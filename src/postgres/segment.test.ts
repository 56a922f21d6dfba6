import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareSegments,
  countSegments,
  formatSegmentName,
  historyFileName,
  isSegmentBytes,
  nextSegment,
  parseSegmentName,
  parseWalFileName,
  previousSegment,
  segmentBeforeLsn,
  segmentLsnRange,
  segmentNameFits,
  segmentOfLsn,
  segmentPosition,
  segmentsBetween,
  type SegmentName,
} from "./segment.ts";

const mib = 1024 * 1024;
const name = (text: string): SegmentName => parseSegmentName(text)!;
const segmentBytes = fc.integer({ min: 0, max: 10 }).map((power) => mib * 2 ** power);
const timeline = fc.integer({ min: 1, max: 0xffff_ffff });
const position = fc.record({ timeline, lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), segmentBytes });

describe("segment names", () => {
  it.each([
    // From pg_walfile_name() of servers with these segment sizes.
    [mib, "0/627C08", "000000010000000000000006"],
    [16 * mib, "0/11F27A60", "000000010000000000000011"],
    [16 * mib, "1/0", "000000010000000100000000"],
    [64 * mib, "0/FFFFFFFF", "00000001000000000000003F"],
    [1024 * mib, "2/C0000000", "000000010000000200000003"],
  ])("with segments of %i bytes LSN %s lies in %s", (bytes, lsn, expected) => {
    const [high, low] = lsn.split("/").map((half) => BigInt(`0x${half}`));
    expect(segmentOfLsn((high! << 32n) | low!, 1, bytes)).toBe(expected);
  });

  it("comes back unchanged from its position, for every segment size", () => {
    fc.assert(
      fc.property(position, ({ timeline, lsn, segmentBytes }) => {
        const name = segmentOfLsn(lsn, timeline, segmentBytes);
        expect(parseSegmentName(name)).toBe(name);
        expect(formatSegmentName(segmentPosition(name, segmentBytes), segmentBytes)).toBe(name);
        const { start, end } = segmentLsnRange(name, segmentBytes);
        expect(start <= lsn && lsn < end).toBe(true);
      }),
    );
  });

  it("next and previous undo each other and keep the order", () => {
    fc.assert(
      fc.property(position, ({ timeline, lsn, segmentBytes }) => {
        const name = segmentOfLsn(lsn / 2n, timeline, segmentBytes);
        const next = nextSegment(name, segmentBytes);
        expect(previousSegment(next, segmentBytes)).toBe(name);
        expect([compareSegments(name, next), compareSegments(next, name), compareSegments(name, name)]).toEqual([
          -1, 1, 0,
        ]);
        expect(segmentLsnRange(next, segmentBytes).start).toBe(segmentLsnRange(name, segmentBytes).end);
      }),
    );
  });

  it("carries over where the last 8 digits end: at FF for 16 MiB, at FFF for 1 MiB, at 3 for 1 GiB", () => {
    expect(nextSegment(name("0000000100000000000000FF"), 16 * mib)).toBe("000000010000000100000000");
    expect(nextSegment(name("000000010000000000000FFF"), mib)).toBe("000000010000000100000000");
    expect(nextSegment(name("000000010000000000000003"), 1024 * mib)).toBe("000000010000000100000000");
  });

  it("an end position on the border needs only the segment before it", () => {
    expect(segmentBeforeLsn(0x3000000n, 1, 16 * mib)).toBe("000000010000000000000002");
    expect(segmentBeforeLsn(0x3000001n, 1, 16 * mib)).toBe("000000010000000000000003");
  });

  it("refuses a name that the segment size cannot have", () => {
    const name16 = name("000000010000000000000100");
    expect(segmentNameFits(name16, 16 * mib)).toBe(false);
    expect(segmentNameFits(name16, mib)).toBe(true);
    expect(() => nextSegment(name16, 16 * mib)).toThrow("cannot exist with a segment size of 16777216 bytes");
  });

  it("refuses positions outside the WAL", () => {
    expect(() => previousSegment(name("000000010000000000000000"), mib)).toThrow(RangeError);
    expect(() => nextSegment(name("00000001FFFFFFFF000000FF"), 16 * mib)).toThrow(RangeError);
    expect(() => formatSegmentName({ timeline: 0, segment: 1n }, mib)).toThrow("timeline out of range: 0");
    expect(() => segmentOfLsn(0n, 1, 3 * mib)).toThrow("not a wal segment size");
  });

  it.each([0, mib / 2, 3 * mib, 2048 * mib, mib + 0.5])("%d bytes are no segment size", (bytes) => {
    expect(isSegmentBytes(bytes)).toBe(false);
  });
});

describe("segments between two", () => {
  it("lists both ends and all between, over a border", () => {
    const [first, last] = [name("0000000100000000000000FE"), name("000000010000000100000001")];
    expect([...segmentsBetween(first, last, 16 * mib, 4)]).toEqual([
      "0000000100000000000000FE",
      "0000000100000000000000FF",
      "000000010000000100000000",
      "000000010000000100000001",
    ]);
    expect(() => [...segmentsBetween(first, last, 16 * mib, 3)]).toThrow("more than 3");
  });

  it("is empty when the last is before the first", () => {
    expect(countSegments(name("000000010000000000000002"), name("000000010000000000000001"), mib)).toBe(0n);
  });

  it("makes no sense over two timelines", () => {
    expect(() => countSegments(name("000000010000000000000001"), name("000000020000000000000001"), mib)).toThrow(
      "segments of two timelines",
    );
  });
});

describe("names of WAL files", () => {
  it.each([
    ["000000010000000000000001", { kind: "segment", name: "000000010000000000000001" }],
    ["000000010000000000000001.partial", { kind: "partial", segment: "000000010000000000000001" }],
    [
      "000000010000000000000001.00000028.backup",
      { kind: "backupLabel", segment: "000000010000000000000001", offset: 0x28 },
    ],
    ["0000000A.history", { kind: "history", timeline: 10 }],
  ])("%s", (text, expected) => expect(parseWalFileName(text)).toEqual(expected));

  it.each([
    "",
    "00000001000000000000000",
    "0000000100000000000000011",
    "000000000000000000000001",
    "00000001000000000000000a",
    "000000010000000000000001.gz",
    "000000010000000000000001.00028.backup",
    "00000000.history",
    "1.history",
    "00000001.history.tmp",
    "../000000010000000000000001",
  ])("%j is none", (text) => expect(parseWalFileName(text)).toBeUndefined());

  it("history file names come back unchanged", () => {
    fc.assert(
      fc.property(timeline, (number) => {
        expect(parseWalFileName(historyFileName(number))).toEqual({ kind: "history", timeline: number });
      }),
    );
  });
});
