import { describe, expect, it } from "vitest";
import { gapsInShort } from "./gaps-in-short.ts";
import { away, content, repository, segment } from "./plan-fixture.ts";

const gap = (first: number, last = first) => ({ first: segment(first), last: segment(last) });
const lacking = (key: number, ...between: ReturnType<typeof gap>[]) =>
  repository(key, { content: content([], { continuity: { between, listedFor: "" } }) });
const row = (key: number, ...given: number[]) => ({
  key,
  ...(given.length > 0 && {
    gap: { segment: segment(given[0]!), lastSegment: segment(given.at(-1)!), since: "2026-11-21T11:00:00Z" },
  }),
});

describe("the column of gaps", () => {
  it("names the newest of each repository, and how many there are besides", () => {
    expect(gapsInShort([lacking(1, gap(2), gap(4, 5)), lacking(2), lacking(3, gap(7))], [row(1), row(2), row(3)])).toBe(
      `repo1: ${segment(4)} to ${segment(5)} and 1 more, repo3: ${segment(7)}`,
    );
  });

  it("counts what was given up once, whether it is listed or not", () => {
    expect(gapsInShort([lacking(1, gap(4, 5))], [row(1, 4)])).toBe(`repo1: ${segment(4)} to ${segment(5)}`);
    expect(gapsInShort([lacking(1)], [row(1, 4, 6)])).toBe(`repo1: ${segment(4)} to ${segment(6)}`);
  });

  it("says that there is none only when every archive was listed and can be read", () => {
    expect(gapsInShort([lacking(1), lacking(2)], [row(1), row(2)])).toBe("none found");
    expect(gapsInShort([lacking(1), { ...lacking(2), isRead: false }], [row(1), row(2)])).toBeUndefined();
    expect(gapsInShort([lacking(1), away(2, { unknown: true })], [row(1), row(2)])).toBeUndefined();
    const { continuity: _, ...unlisted } = content([]);
    expect(gapsInShort([repository(1, { content: unlisted })], [row(1)])).toBeUndefined();
    const { newestWal: _none, continuity: _unneeded, ...empty } = content([]);
    expect(gapsInShort([repository(1, { content: empty })], [row(1)])).toBeUndefined();
  });
});
