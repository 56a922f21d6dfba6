import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  backupInfoKey,
  dataKey,
  isBackupId,
  ownerKey,
  parseBackupPrefix,
  parseWalKey,
  walExtensions,
  walKey,
  walPrefix,
} from "./layout.ts";

describe("keys as barman-cloud writes them", () => {
  it.each([
    ["000000010000000A00000001", "pg/wals/000000010000000A/000000010000000A00000001.gz"],
    ["000000010000000A00000001.partial", "pg/wals/000000010000000A/000000010000000A00000001.partial.gz"],
    [
      "000000010000000A00000001.00000028.backup",
      "pg/wals/000000010000000A/000000010000000A00000001.00000028.backup.gz",
    ],
    ["00000002.history", "pg/wals/00000002.history.gz"],
  ])("%s", (name, key) => {
    expect(walKey("pg", name, ".gz")).toBe(key);
    expect(walPrefix("pg", name)).toBe(key.slice(0, -3));
  });

  it("of a backup lie under its id", () => {
    expect(backupInfoKey("pg", "20261121T091500")).toBe("pg/base/20261121T091500/backup.info");
    expect(dataKey("pg", "20261121T091500", "data.tar.gz")).toBe("pg/base/20261121T091500/data.tar.gz");
    expect(ownerKey("pg")).toBe("pg/holdfast/owner.json");
  });

  it("come back unchanged to names", () => {
    const hex = (length: number): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom(..."0123456789ABCDEF".split("")), minLength: length, maxLength: length });
    const timeline = hex(8).filter((digits) => digits !== "00000000");
    const name = fc.oneof(
      fc.tuple(timeline, hex(16), fc.constantFrom("", ".partial", ".00000028.backup")).map((parts) => parts.join("")),
      timeline.map((digits) => `${digits}.history`),
    );
    const server = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);
    fc.assert(
      fc.property(server, name, fc.constantFrom(...walExtensions), (server, name, extension) => {
        expect(parseWalKey(server, walKey(server, name, extension))).toEqual({ name, extension });
      }),
    );
  });

  it.each([
    "other/wals/0000000100000000/000000010000000000000001",
    "pg/wals/000000010000000000000001",
    "pg/wals/0000000100000001/000000010000000000000001",
    "pg/wals/0000000100000000/00000002.history",
    "pg/wals/0000000100000000/000000010000000000000001.zip",
    "pg/wals/0000000100000000/",
    "pg/wals/x/0000000100000000/000000010000000000000001",
  ])("%s is none of WAL", (key) => expect(parseWalKey("pg", key)).toBeUndefined());

  it("are not made for a name that is no WAL file", () => {
    expect(() => walKey("pg", "../../secret", "")).toThrow('not the name of a wal file: "../../secret"');
  });
});

describe("backup directories", () => {
  it("tell the id", () => expect(parseBackupPrefix("pg", "pg/base/20261121T091500/")).toBe("20261121T091500"));

  it.each(["pg/base/", "pg/base/a/b/", "pg/base/20261121T091500", "other/base/20261121T091500/", "pg/base/../"])(
    "%s is none",
    (prefix) => expect(parseBackupPrefix("pg", prefix)).toBeUndefined(),
  );

  it("knows names that cannot leave the directory", () => {
    expect([isBackupId("20261121T091500"), isBackupId(""), isBackupId(".."), isBackupId("a/b")]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
