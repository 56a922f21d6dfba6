import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SegmentName } from "#postgres/segment.ts";
import { compareArchiveOrder, isBehind, nextDepth, planLookAhead, planPrefetch, type LookAheadState } from "./plan.ts";

const segment = (number: number, timeline = 1): SegmentName =>
  `${timeline.toString(16).padStart(8, "0")}00000000${number.toString(16).toUpperCase().padStart(8, "0")}` as SegmentName;
const segments = (from: number, to: number): SegmentName[] =>
  Array.from({ length: to - from + 1 }, (_, index) => segment(from + index));

const state = (changes: Partial<LookAheadState> = {}): LookAheadState => ({
  requested: segment(1),
  ready: segments(1, 20),
  isSettled: () => false,
  inFlight: 0,
  ahead: 0,
  maxParallel: 4,
  ...changes,
});

describe("archive order", () => {
  it("puts history files first and a backup label right after its segment, as PostgreSQL does", () => {
    const names = [
      segment(6),
      `${segment(5)}.00000028.backup`,
      "00000002.history",
      segment(5),
      `${segment(6)}.partial`,
    ];
    expect(names.sort(compareArchiveOrder)).toEqual([
      "00000002.history",
      segment(5),
      `${segment(5)}.00000028.backup`,
      segment(6),
      `${segment(6)}.partial`,
    ]);
  });

  it("never takes a history file for passed", () => {
    expect(isBehind("00000001.history", segment(5))).toBe(false);
    expect(isBehind(segment(4), segment(5))).toBe(true);
    expect(isBehind(segment(5), "00000002.history")).toBe(false);
  });
});

describe("look-ahead", () => {
  const settledUpTo = (last: number) => (name: string) => name <= segment(last);
  it.each<[string, Partial<LookAheadState>, string[]]>([
    ["fills all slots after the requested file", {}, segments(2, 5)],
    ["leaves room for uploads under way", { inFlight: 3, ahead: 3, isSettled: settledUpTo(4) }, [segment(5)]],
    ["starts nothing while all slots are taken", { inFlight: 4 }, []],
    ["starts nothing while a smaller limit is exceeded", { inFlight: 4, maxParallel: 1 }, []],
    ["stops at three rounds ahead", { ahead: 12, isSettled: settledUpTo(13) }, []],
    ["goes on when one of them was asked for", { ahead: 11, isSettled: settledUpTo(12) }, [segment(13)]],
    ["uses one slot when only one is allowed", { maxParallel: 1 }, [segment(2)]],
    ["passes over what PostgreSQL has passed", { requested: segment(18) }, segments(19, 20)],
    [
      "takes a history file whatever is asked for",
      { ready: ["00000002.history", segment(3)], requested: segment(9) },
      ["00000002.history"],
    ],
    ["passes over what is settled", { isSettled: (name) => name === segment(3) }, [segment(2), ...segments(4, 6)]],
    ["does nothing without ready files", { ready: [] }, []],
  ])("%s", (_, changes, expected) => {
    expect(planLookAhead(state(changes)).start).toEqual(expected);
  });

  it("keeps the names it did not use, and says how many more it could have used", () => {
    expect(planLookAhead(state())).toMatchObject({ ready: segments(6, 20), wanting: 0 });
    expect(planLookAhead(state({ ready: segments(1, 3) }))).toMatchObject({ ready: [], wanting: 2 });
  });

  it("never exceeds its bounds, never starts a settled or requested file, and keeps the order", () => {
    const anyState = fc.record({
      requested: fc.integer({ min: 0, max: 30 }).map((number) => segment(number)),
      ready: fc
        .uniqueArray(fc.integer({ min: 0, max: 40 }), { maxLength: 40 })
        .map((numbers) => numbers.map((n) => segment(n)).sort()),
      settled: fc
        .uniqueArray(fc.integer({ min: 0, max: 40 }))
        .map((numbers) => new Set(numbers.map((n) => segment(n)))),
      inFlight: fc.integer({ min: 0, max: 10 }),
      ahead: fc.integer({ min: 0, max: 30 }),
      maxParallel: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(anyState, ({ settled, ...rest }) => {
        const { start, ready } = planLookAhead({ ...rest, isSettled: (name) => settled.has(name as SegmentName) });
        expect(start.length).toBeLessThanOrEqual(Math.max(0, rest.maxParallel - rest.inFlight));
        expect(start.length === 0 || start.length + rest.ahead <= 3 * rest.maxParallel).toBe(true);
        expect(start.some((name) => settled.has(name as SegmentName) || name <= rest.requested)).toBe(false);
        expect([...start, ...ready]).toEqual([...start, ...ready].sort());
      }),
    );
  });
});

describe("prefetch", () => {
  const plan = { served: segment(5), held: [], segmentBytes: 16 << 20, depth: 4, spoolBytesMax: 256 << 20 };

  it("holds the window after the served segment", () => {
    expect(planPrefetch(plan)).toEqual({ start: segments(6, 9), drop: [] });
    expect(planPrefetch({ ...plan, held: segments(6, 8) })).toEqual({ start: [segment(9)], drop: [] });
  });

  it("drops what lies behind, too far ahead or on another timeline", () => {
    const held = [segment(4), segment(5), segment(6), segment(10), segment(7, 2)];
    expect(planPrefetch({ ...plan, held }).drop).toEqual([segment(4), segment(5), segment(10), segment(7, 2)]);
  });

  it("crosses the border of 4 GiB with every segment size", () => {
    const start = planPrefetch({ ...plan, served: "0000000100000000000000FF" as SegmentName, depth: 1 }).start;
    expect(start).toEqual(["000000010000000100000000"]);
    const big = { ...plan, served: "00000001000000000000003F" as SegmentName, segmentBytes: 64 << 20, depth: 2 };
    expect(planPrefetch(big).start).toEqual(["000000010000000100000000", "000000010000000100000001"]);
  });

  it("keeps within the bytes of the spool", () => {
    expect(planPrefetch({ ...plan, segmentBytes: 64 << 20, depth: 8 }).start).toHaveLength(4);
    expect(planPrefetch({ ...plan, segmentBytes: 1 << 30, depth: 8 }).start).toHaveLength(0);
  });

  it("goes twice as far after each hit and starts over where the archive ends", () => {
    expect(nextDepth(1, "hit", 8)).toBe(2);
    expect(nextDepth(6, "hit", 8)).toBe(8);
    expect(nextDepth(4, "miss", 8)).toBe(4);
    expect(nextDepth(4, "miss", 2)).toBe(2);
    expect(nextDepth(8, "end", 8)).toBe(1);
  });
});
