import { describe, expect, it } from "vitest";
import type { SegmentName } from "#postgres/segment.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { GapRepository } from "./wal-gaps.ts";
import type { RepositoryStatus } from "./terms.ts";
import { knownGaps, newlyGapped, openGaps, withGaps } from "./wal-gaps.ts";

const segment = (number: number) => `0000000100000000000000${String(number).padStart(2, "0")}` as SegmentName;
const full = (beginWal: SegmentName, changes: Partial<BackupRecord> = {}): BackupRecord => ({
  id: `F-${beginWal}`,
  status: "done",
  type: "full",
  beginWal,
  tablespaces: [],
  ...changes,
});
const location = (key: number) => `s3://b/r${key}`;
const read = (key: number, ...backups: BackupRecord[]): GapRepository => ({
  key,
  location: location(key),
  content: { catalog: { server: "pg", backups, unreadable: [] }, backups: [], encrypted: true },
});
/** Never read by this process. */
const unread = (key: number): GapRepository => ({ key, location: location(key) });
const gap = (number: number, minute: number, ...repositories: number[]) => ({
  segment: segment(number),
  repositories,
  at: `2026-11-21T11:0${minute}:00Z`,
});
const rowOf = (key: number, changes: Partial<RepositoryStatus> = {}): RepositoryStatus => ({
  key,
  type: "s3",
  location: location(key),
  state: "Ok",
  ...changes,
});

/** The rows after a look. */
function look(
  repositories: readonly GapRepository[],
  reported: readonly ReturnType<typeof gap>[],
  previous: readonly RepositoryStatus[] = [],
): readonly RepositoryStatus[] {
  const entries = reported.length === 0 ? [] : [{ gaps: [...reported] }];
  const open = openGaps(knownGaps({ entries, previous, repositories }), repositories);
  const rows = repositories.map(({ key }) => rowOf(key));
  return withGaps(rows, open, previous);
}

describe("WAL that was given up", () => {
  const told = look([read(1), read(2, full(segment(1)))], [gap(5, 1, 2), gap(6, 2, 2)]);

  it("stands in the row of the repository that lacks it, and in no other", () => {
    expect(told[0]).not.toHaveProperty("gap");
    expect(told[1]?.gap).toEqual({ segment: segment(5), lastSegment: segment(6), since: "2026-11-21T11:01:00Z" });
  });

  it("is kept when the sidecar has forgotten it, whoever looks and whether the repository answers", () => {
    expect(look([read(1), read(2)], [], told)).toEqual(told);
    expect(look([unread(1), unread(2)], [], told)).toEqual(told);
  });

  it("grows, and stays one gap, told once", () => {
    const before = told.map((row) => (row.gap ? { ...row, gap: { ...row.gap, backup: "asked" } } : row));
    const after = look([read(1), read(2)], [gap(8, 4, 2)], before);
    expect(after[1]?.gap).toEqual({ ...before[1]?.gap, lastSegment: segment(8) });
    expect(newlyGapped(told, [])).toHaveLength(1);
    expect(newlyGapped(after, before)).toEqual([]);
  });

  it("is mended only by a full backup of that repository that begins behind all of it", () => {
    const after = (...repositories: GapRepository[]) => look(repositories, [gap(5, 1, 2)], told)[1]?.gap;
    expect(after(read(1, full(segment(7))), read(2))).toBeDefined();
    expect(after(read(1), read(2, full(segment(7), { type: "incr" })))).toBeDefined();
    expect(after(read(1), read(2, full(segment(7), { status: "failed" })))).toBeDefined();
    expect(after(read(1), read(2, full(segment(5))))).toBeDefined();
    expect(after(read(1), read(2, full(segment(7))))).toBeUndefined();
    expect(after(read(1), read(2, full(segment(6))))).toMatchObject({ segment: segment(6) });
  });

  it("is mended by a full backup after a major upgrade, whose WAL is on timeline 1 again", () => {
    const gapped = [
      rowOf(1),
      rowOf(2, { gap: { segment: `00000002${segment(5).slice(8)}`, since: "2026-11-21T11:01:00Z" } }),
    ];
    const after = (beginWal: SegmentName, former: boolean) => {
      const upgraded = read(2, full(beginWal, { systemId: "8" }));
      const content = { ...upgraded.content!, systemId: "8", ...(former && { former: [{ systemId: "7" }] }) };
      return look([read(1), { ...upgraded, content }], [], gapped)[1]?.gap;
    };
    expect(after(segment(7), true)).toBeUndefined();
    expect(after(segment(4), true)).toBeDefined();
    expect(after(segment(7), false)).toBeDefined();
  });

  it("that was mended does not come back while the repository cannot be read, and a new one is told", () => {
    const previous = [rowOf(1), rowOf(2, { lastBackupTime: "2026-11-21T11:03:00Z" })];
    expect(look([read(1), unread(2)], [gap(5, 1, 2)], previous)[1]).not.toHaveProperty("gap");
    expect(look([read(1), unread(2)], [gap(9, 5, 2)], previous)[1]?.gap).toMatchObject({ segment: segment(9) });
  });

  it("belongs to the place, not to the number", () => {
    const moved = [{ ...read(2), location: "s3://b/other" }];
    expect(look(moved, [], told)[0]).not.toHaveProperty("gap");
  });
});
