import { describe, expect, it } from "vitest";
import { createProgress, parseFileProgress } from "./progress.ts";

describe("parseFileProgress", () => {
  it.each([
    [
      "P01 DETAIL: backup file /pgdata/base/5/16391 (25.6MB, 49.23%) checksum 9f2c",
      { bytes: 26843546, percent: 49.23 },
    ],
    [
      "P02 DETAIL: match file from prior backup /pgdata/base/1/112 (8KB, 2.16%) checksum a1",
      { bytes: 8192, percent: 2.16 },
    ],
    ["P01 DETAIL: backup file /pgdata/base/1/2 (bundle 1/0, 104B, 100.00%) checksum a1", { bytes: 104, percent: 100 }],
    ["P01 DETAIL: store zero-length file /pgdata/base/5/16 (8KB->1.5MB, 0%)", { bytes: 1572864, percent: 0 }],
    [
      "P12 DETAIL: restore file /pgdata/base/5/1 - exists and matches backup (1GB, 5.00%) checksum b2",
      { bytes: 1073741824, percent: 5 },
    ],
    [
      "P01 DETAIL: restore file /pgdata/base/5/1 (bundle 20261126-1F/1/4, bi 8KB/1GB, 1GB, 5.5%)",
      { bytes: 1073741824, percent: 5.5 },
    ],
  ])("reads %s", (line, progress) => {
    expect(parseFileProgress(line)).toEqual(progress);
  });

  it.each([
    "P00   INFO: new backup label = 20261126-182513F",
    "P00 DETAIL: sync path '/pgdata/base (8KB, 5%)'",
    "P00   WARN: file (8KB, 5%) is gone",
    "P00   INFO: full backup size = 52MB, file total = 982",
  ])("takes %s for something else", (line) => {
    expect(parseFileProgress(line)).toBeUndefined();
  });
});

it("tells the whole from the percentages, once these are exact enough", () => {
  const follow = createProgress(5_000_000);
  expect(follow("P01 DETAIL: backup file /a (8KB, 0.50%)")).toEqual({ bytesDone: 8192, bytesTotal: 5_000_000 });
  expect(follow("P00   INFO: execute something")).toBeUndefined();
  expect(follow("P01 DETAIL: backup file /b (8KB, 50.00%)")).toEqual({ bytesDone: 16_384, bytesTotal: 32_768 });
  expect(follow("P01 DETAIL: backup file /c (16KB, 100.00%)")).toEqual({ bytesDone: 32_768, bytesTotal: 32_768 });
});
