import { describe, expect, it } from "vitest";
import { parseLsn } from "#postgres/lsn.ts";
import { defaultSegmentBytes } from "#postgres/segment.ts";
import { backupIdAt, cutArchive, requiredWal, someOf, volumeFile, type WalRange } from "./plan.ts";

const lsn = (text: string): bigint => parseLsn(text)!;
const range = (over: Partial<WalRange> = {}): WalRange => ({
  beginLsn: lsn("0/3000028"),
  beginTimeline: 1,
  endLsn: lsn("0/5000100"),
  endTimeline: 1,
  segmentBytes: defaultSegmentBytes,
  history: [],
  ...over,
});

describe("backupIdAt", () => {
  it("is barman's form in UTC", () => {
    expect(backupIdAt(new Date("2026-11-21T09:15:07.999+02:00"))).toBe("20261121T071507");
  });
});

describe("cutArchive", () => {
  it("uses parts of 8 MiB and ends a volume well before 10000 of them are full", () => {
    const cut = cutArchive({});
    expect(cut.partBytes).toBe(8 * 1024 * 1024);
    expect(cut.volumeBytes).toBe(10_000 * cut.partBytes - 2 * 1024 ** 3);
  });

  it("reaches barman's 100 GB when parts are large enough", () => {
    expect(cutArchive({ minChunkBytes: 15_000_000 })).toMatchObject({
      partBytes: 15 * 1024 * 1024,
      volumeBytes: 100_000_000_000,
    });
  });

  it("takes a smaller limit as it is", () => {
    expect(cutArchive({ maxArchiveBytes: 1_000_000 }).volumeBytes).toBe(1_000_000);
  });
});

describe("volumeFile", () => {
  it("is named as barman names it", () => {
    expect([volumeFile(0, ""), volumeFile(1, ".gz"), volumeFile(12, "")]).toEqual([
      "data.tar",
      "data_0001.tar.gz",
      "data_0012.tar",
    ]);
  });
});

describe("requiredWal", () => {
  it("is every segment from the begin's to the end's", () => {
    expect(requiredWal(range())).toEqual([
      "000000010000000000000003",
      "000000010000000000000004",
      "000000010000000000000005",
    ]);
  });

  it("does not ask for the segment after an end that lies on its border", () => {
    expect(requiredWal(range({ endLsn: lsn("0/5000000") }))?.at(-1)).toBe("000000010000000000000004");
  });

  it("crosses the border of a log file", () => {
    const names = requiredWal(range({ beginLsn: lsn("0/FF000028"), endLsn: lsn("1/28") }));
    expect(names).toEqual(["0000000100000000000000FF", "000000010000000100000000"]);
  });

  it("asks for the new timeline's segments from the switch on, and for its history", () => {
    const names = requiredWal(range({ endTimeline: 2, history: [{ timeline: 1, lsn: lsn("0/4000500"), reason: "" }] }));
    expect(names).toEqual([
      "000000010000000000000003",
      "000000020000000000000004",
      "000000020000000000000005",
      "00000002.history",
    ]);
  });

  it("is unknown when the history does not lead from the begin to the end", () => {
    const history = [{ timeline: 2, lsn: lsn("0/4000500"), reason: "" }];
    expect(requiredWal(range({ endTimeline: 3, history }))).toBeUndefined();
  });
});

describe("someOf", () => {
  it("names a few and counts the rest", () => {
    expect(someOf(["a", "b"])).toBe("a, b");
    expect(someOf(["a", "b", "c", "d", "e"])).toBe("a, b, c and 2 more");
  });
});
