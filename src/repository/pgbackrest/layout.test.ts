import { describe, expect, it } from "vitest";
import { isBackupLabel, parseArchiveId, parseStoredWal, segmentFilter } from "./layout.ts";

const sha = "de6f751c376bd27abd78198dec8c9e90de29b313";
const segment = "000000010000000000000007";

describe("pgBackRest's names", () => {
  it.each([
    [`${segment}-${sha}`, ""],
    [`${segment}-${sha}.gz`, ".gz"],
    [`${segment}-${sha}.zst`, ".zst"],
  ])("%s is a segment", (file, extension) => {
    expect(parseStoredWal(file)).toEqual({ name: segment, extension });
    expect(file).toMatch(new RegExp(segmentFilter(segment.slice(0, 16))));
  });

  it.each([`${segment}.partial-${sha}.gz`, `${segment}.00000028.backup`, segment, `${segment}-${sha}.gz.tmp`])(
    "%s is none",
    (file) => expect(parseStoredWal(file)).toBeUndefined(),
  );

  it("tell databases and backups", () => {
    expect(parseArchiveId("15-1")).toEqual({ id: "15-1", version: "15", databaseId: 1 });
    expect(parseArchiveId("9.6-12")).toMatchObject({ databaseId: 12 });
    expect(parseArchiveId("15-1-2")).toBeUndefined();
    expect(isBackupLabel("20261126-181459F_20261126-181503I")).toBe(true);
    expect(isBackupLabel("../20261126-181459F")).toBe(false);
    expect(isBackupLabel("latest")).toBe(false);
  });
});
