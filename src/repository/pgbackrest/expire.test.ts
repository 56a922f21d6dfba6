import { describe, expect, it } from "vitest";
import type { BackupInfo } from "./info.ts";
import { obstacleTo } from "./expire.ts";
import { isNothing, parseExpireLog } from "./expire-log.ts";

/** As 2.45, 2.55 and 2.60 wrote it. */
const log = `P00   WARN: environment contains invalid option 'one'
P00   INFO: [DRY-RUN] expire command begin 2.45: --dry-run --repo1-retention-full=1 --stanza=main
P00   INFO: [DRY-RUN] repo1: expire full backup set 20261126-181459F, 20261126-181459F_20261126-181503I
P00   INFO: [DRY-RUN] repo1: expire diff backup 20261126-191459F_20261126-191503D
P00   INFO: [DRY-RUN] repo1: remove expired backup 20261126-181459F_20261126-181503I
P00   INFO: [DRY-RUN] repo1: remove expired backup 20261126-181459F
P00   INFO: [DRY-RUN] repo1: remove expired backup 20261125-000000F
P00   INFO: [DRY-RUN] repo1: 15-1 remove archive, start = 000000010000000000000007, stop = 000000010000000000000009
P00   INFO: [DRY-RUN] repo1: 15-1 remove history file 00000001.history
P00   INFO: [DRY-RUN] expire command end: completed successfully`.split("\n");

const backup = (label: string, over: Partial<BackupInfo> = {}): BackupInfo => ({
  label,
  type: label.length === 16 ? "full" : "incr",
  repositoryKey: 1,
  databaseId: 1,
  references: label.length === 16 ? [] : [label.slice(0, 16)],
  annotations: {},
  ...over,
});

describe("the log of expire", () => {
  it("names backups with the rule, WAL, and what is left of broken backups", () => {
    expect(parseExpireLog(log)).toEqual({
      backups: [
        { id: "20261126-181459F", reason: "Full" },
        { id: "20261126-181459F_20261126-181503I", reason: "Full" },
        { id: "20261126-191459F_20261126-191503D", reason: "Diff" },
      ],
      wal: [{ archiveId: "15-1", first: "000000010000000000000007", last: "000000010000000000000009" }],
      leftovers: ["20261125-000000F"],
      files: ["15-1 remove history file 00000001.history"],
    });
  });

  it("says the same without --dry-run, and nothing where nothing is too old", () => {
    expect(parseExpireLog(log.map((line) => line.replace("[DRY-RUN] ", "")))).toEqual(parseExpireLog(log));
    expect(isNothing(parseExpireLog(["P00   INFO: repo1: 15-1 no archive to remove"]))).toBe(true);
    expect(isNothing(parseExpireLog(log))).toBe(false);
  });
});

describe("what keeps retention from its work", () => {
  const [first, second] = [backup("20261126-181459F"), backup("20261127-181459F")];
  const incr = backup("20261126-181459F_20261126-181503I");
  const expired = parseExpireLog(["P00   INFO: repo1: expire full backup 20261126-181459F"]);

  it("is nothing when another full backup stays", () => {
    expect(obstacleTo(expired, [first, second])).toBeUndefined();
  });

  it("is the last full backup, a hold, a reason to keep, and a backup that builds upon it", () => {
    expect(obstacleTo(expired, [first])).toContain("it is the last full backup that is whole");
    const held = { ...first, annotations: { "holdfast-hold": "audit" } };
    expect(obstacleTo(expired, [held, second])).toContain("it is held");
    expect(obstacleTo(expired, [first, second], { keep: () => "it is the last verified" })).toContain(
      "the last verified",
    );
    expect(obstacleTo(expired, [first, incr, second])).toContain("would lose what it builds upon");
  });

  it("is the last full backup that is whole, though a newer one is listed that restores nothing good", () => {
    const told = "backup 20261126-181459F would go: it is the last full backup that is whole";
    expect(obstacleTo(expired, [first, { ...second, hasPageErrors: true }])).toBe(told);
    expect(obstacleTo(expired, [first, { ...second, annotations: { "holdfast-failed": "no WAL" } }])).toBe(told);
    expect(obstacleTo(expired, [first, second], { broken: new Set([second.label]) })).toBe(told);
    expect(obstacleTo(expired, [first, second], { broken: new Set([first.label]) })).toBeUndefined();
    expect(obstacleTo(expired, [first, second], { broken: new Set([first.label, second.label]) })).toBe(
      "no full backup that is whole would be left",
    );
  });
});
