import { expect, it } from "vitest";
import { ArchiveError } from "#engine/archive/errors.ts";
import { mergedStatus } from "./archiver-status.ts";

const nothing = { failures: 0, files: 0, bytes: 0, storedBytes: 0 };
const failed = (name: string, at: number) => ({
  lastFailure: { name, at: new Date(at), error: new ArchiveError("Unavailable", "away") },
});

it("tells of the archiver that was asked last, and counts for both", () => {
  const before = { ...nothing, files: 3, bytes: 30, ready: 9, lastArchived: { name: "A", at: new Date(1) } };
  const gaps = [{ segment: "B", repositories: [2], at: new Date(2) }];
  const now = { ...nothing, files: 1, bytes: 5, failures: 2, ready: 4, gaps, ...failed("B", 2) };
  expect(mergedStatus(before, now)).toEqual({
    ...nothing,
    files: 4,
    bytes: 35,
    failures: 2,
    ready: 4,
    gaps,
    ...failed("B", 2),
  });
  const back = { ...before, lastArchived: { name: "C", at: new Date(3) } };
  expect(mergedStatus(back, now)).toMatchObject({ ready: 9, lastArchived: { name: "C" }, gaps });
  expect(mergedStatus(back, now)).not.toHaveProperty("lastFailure");
});
