import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatHistory, isAncestor, isOnPath, parseHistory, pathTo, timelineAt } from "./timeline.ts";

const text = "1\t0/5000000\tno recovery target specified\n\n2\t0/90000A0\tbefore 2026-11-20 10:00:00+00\n";
const history = parseHistory(text)!;

describe("history files", () => {
  it("reads the lines that PostgreSQL writes, and comments", () => {
    expect(history).toEqual([
      { timeline: 1, lsn: 0x5000000n, reason: "no recovery target specified" },
      { timeline: 2, lsn: 0x90000a0n, reason: "before 2026-11-20 10:00:00+00" },
    ]);
    expect(parseHistory("# written by hand\n1 0/1000\n")).toEqual([{ timeline: 1, lsn: 0x1000n, reason: "" }]);
    expect(parseHistory("")).toEqual([]);
  });

  it.each([
    "1",
    "1\t0/1\tx\n1\t0/2\ty",
    "2\t0/1\tx\n1\t0/2\ty",
    "0\t0/1\tx",
    "1\tzz\tx",
    "1\t0/123456789\tx",
    "<html>",
  ])("concludes nothing from damaged content %j", (damaged) => expect(parseHistory(damaged)).toBeUndefined());

  it("comes back unchanged from its text", () => {
    const entry = fc.record({
      timeline: fc.integer({ min: 1, max: 1000 }),
      lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      reason: fc.stringMatching(/^[a-z][a-z0-9:]{0,20}$/),
    });
    const entries = fc.uniqueArray(entry, { selector: ({ timeline }) => timeline });
    fc.assert(
      fc.property(entries, (list) => {
        const sorted = list.toSorted((a, b) => a.timeline - b.timeline);
        expect(parseHistory(formatHistory(sorted))).toEqual(sorted);
      }),
    );
  });
});

describe("the path to a timeline", () => {
  const path = pathTo(3, history)!;

  it("goes over its ancestors, each up to where it was left", () => {
    expect(path).toEqual([
      { timeline: 1, start: 0n, end: 0x5000000n },
      { timeline: 2, start: 0x5000000n, end: 0x90000a0n },
      { timeline: 3, start: 0x90000a0n },
    ]);
    expect(pathTo(1, [])).toEqual([{ timeline: 1, start: 0n }]);
  });

  it("does not exist when the file cannot be this timeline's", () => {
    expect(pathTo(2, history)).toBeUndefined();
    expect(pathTo(3, parseHistory("1\t0/5\tx\n2\t0/4\ty")!)).toBeUndefined();
  });

  it("holds a position up to the switch, not after it", () => {
    expect(isOnPath(path, 1, 0x5000000n)).toBe(true);
    expect(isOnPath(path, 1, 0x5000001n)).toBe(false);
    expect(isOnPath(path, 3, 2n ** 60n)).toBe(true);
    expect(isOnPath(path, 4, 1n)).toBe(false);
  });

  it("knows ancestors and which timeline wrote a byte", () => {
    expect([isAncestor(path, 2), isAncestor(path, 3), isAncestor(path, 4)]).toEqual([true, true, false]);
    expect([timelineAt(path, 0x4ffffffn), timelineAt(path, 0x5000000n), timelineAt(path, 2n ** 60n)]).toEqual([
      1, 2, 3,
    ]);
    expect(timelineAt([], 1n)).toBeUndefined();
  });
});
