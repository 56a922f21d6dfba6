import { describe, expect, it } from "vitest";
import { defaultSegmentBytes, formatSegmentName, type SegmentName } from "#postgres/segment.ts";
import { WalRuns } from "./wal-runs.ts";

const segment = (number: number, timeline = 1): SegmentName =>
  formatSegmentName({ timeline, segment: BigInt(number) }, defaultSegmentBytes);
const missing = (names: readonly SegmentName[], settled?: SegmentName) => {
  const runs = new WalRuns(defaultSegmentBytes);
  for (const name of names) runs.add(name);
  return runs.missing(settled);
};
const range = (from: number, to: number, timeline = 1) =>
  Array.from({ length: to - from + 1 }, (_, index) => segment(from + index, timeline));

describe("what is missing in an archive", () => {
  it("is what retention removed between the WAL of two backups", () => {
    expect(missing([...range(2, 3), ...range(6, 400)])).toEqual({
      before: { first: segment(0), last: segment(1) },
      between: [{ first: segment(4), last: segment(5) }],
    });
  });

  it("is nothing over the border of a folder, nor where names come twice or in no order", () => {
    expect(missing(range(0, 600))).toEqual({ between: [] });
    expect(missing([...range(300, 600), ...range(0, 299), ...range(250, 310)])).toEqual({ between: [] });
  });

  it("is nothing where a timeline goes on from the one before, and is told where it does not", () => {
    expect(missing([...range(0, 9), ...range(10, 300, 2)]).between).toEqual([]);
    // The segment of the promotion is in both.
    expect(missing([...range(0, 9), ...range(9, 300, 2)]).between).toEqual([]);
    expect(missing([...range(0, 9), ...range(12, 300, 3)]).between).toEqual([
      { first: segment(10), last: segment(11, 3) },
    ]);
  });

  it("does not count what may be under way, but what lies before a backup", () => {
    const names = [...range(0, 9), ...range(12, 20)];
    expect(missing(names).between).toEqual([]);
    expect(missing(names, segment(15)).between).toEqual([{ first: segment(10), last: segment(11) }]);
  });

  it("is not told of an archive that is all gaps", () => {
    const every = (count: number) => missing(Array.from({ length: count }, (_, index) => segment(index * 2)));
    expect(every(1_500).between.length).toBeGreaterThan(1_400);
    expect(() => every(2_100)).toThrow(RangeError);
  });
});
