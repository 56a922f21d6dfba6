import { describe, expect, it } from "vitest";
import type { BackupInfo, BackupType } from "#repository/pgbackrest/info.ts";
import { chooseType, lastUpgrade, presentBackups } from "./choose-type.ts";

const now = new Date("2026-11-26T12:00:00Z");
const policy = { fullEveryDays: 7, chainMax: 3 };
const endOf = (label: string): number => {
  const [, year, month, day, hour, minute, second] =
    /(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)[FDI]$/.exec(label)?.map(Number) ?? [];
  return Date.UTC(year!, month! - 1, day, hour, minute, second) / 1000;
};
const backup = (label: string, over: Partial<BackupInfo> = {}): BackupInfo => ({
  label,
  type: label.endsWith("I") ? "incr" : label.endsWith("D") ? "diff" : "full",
  repositoryKey: 1,
  databaseId: 1,
  references: [],
  annotations: {},
  endSeconds: endOf(label),
  ...over,
});
const choose = (labels: readonly string[], asked?: BackupType) =>
  chooseType({ asked, backups: labels.map((label) => backup(label)), repository: 2, policy, now });

const full = "20261125-020000F";

describe("chooseType, nobody said which", () => {
  it("begins with a full one", () => {
    expect(choose([])).toEqual({ type: "full", why: "repository 2 holds no full backup yet" });
  });

  it("goes on with an incremental one", () => {
    expect(choose([full, `${full}_20261125-140000I`])).toEqual({
      type: "incr",
      why: `it is backup 2 of at most 3 on the full one ${full}`,
    });
  });

  it("makes a full one when the newest is a week old, to the hour", () => {
    expect(choose(["20261119-120001F"]).type).toBe("incr");
    expect(choose(["20261119-120000F"])).toEqual({
      type: "full",
      why: "the newest full backup, 20261119-120000F, is 7 days old, and one is made every 7 days",
    });
  });

  it("makes a full one when the chain is as long as it may be, and counts no other chain", () => {
    const older = "20261124-020000F";
    const chain = ["D", "I", "I"].map((letter, index) => `${full}_20261125-14000${index}${letter}`);
    const others = ["I", "I", "I"].map((letter, index) => `${older}_20261124-14000${index}${letter}`);
    expect(choose([older, ...others, full, ...chain.slice(1)]).type).toBe("incr");
    expect(choose([older, ...others, full, ...chain])).toEqual({
      type: "full",
      why: `3 backups depend on the newest full backup, ${full}, and 3 may`,
    });
  });
});

describe("chooseType, when a type was asked for", () => {
  it("makes that one, whatever the age of the full one", () => {
    expect(choose([full], "full")).toEqual({ type: "full", why: "a full backup was asked for" });
    expect(choose(["20261001-020000F"], "diff")).toEqual({
      type: "diff",
      why: "a differential backup was asked for",
    });
    expect(choose(["20261001-020000F"], "incr").type).toBe("incr");
  });

  it("says why an incremental one became a full one", () => {
    expect(choose([], "incr")).toEqual({
      type: "full",
      why: "repository 2 holds no full backup yet, and an incremental one without its full is impossible",
    });
  });
});

describe("presentBackups", () => {
  it("knows the repository's own backups of the database of now, not of the one before an upgrade", () => {
    const databases = [1, 2].flatMap((repositoryKey) => [
      { id: 1, repositoryKey },
      { id: 2, repositoryKey },
    ]);
    const mine = backup(full, { databaseId: 2 });
    const backups = [backup("20261101-020000F"), mine, backup("20261125-030000F", { databaseId: 2, repositoryKey: 2 })];
    expect(presentBackups({ databases, backups }, 1)).toEqual([mine]);
  });
});

describe("after a major upgrade", () => {
  const databases = [
    { id: 1, repositoryKey: 1, version: "15" },
    { id: 2, repositoryKey: 1, version: "17" },
  ];

  it("says why a full one is made, as long as there are backups from before", () => {
    const upgrade = lastUpgrade({ databases, backups: [backup(full)] }, 1);
    expect(chooseType({ asked: undefined, backups: [], repository: 1, upgrade, policy, now }).why).toBe(
      "repository 1 holds no full backup since the upgrade from PostgreSQL 15 to 17",
    );
    expect(lastUpgrade({ databases, backups: [] }, 1)).toBeUndefined();
    expect(lastUpgrade({ databases: databases.slice(0, 1), backups: [backup(full)] }, 1)).toBeUndefined();
  });
});
