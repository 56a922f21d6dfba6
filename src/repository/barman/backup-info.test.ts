import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseMoment } from "#postgres/timestamp.ts";
import { segmentOfLsn } from "#postgres/segment.ts";
import { barmanStatuses, formatBackupInfo, parseBackupInfo, type BackupInfo } from "./backup-info.ts";

const golden = (file: string): string =>
  readFileSync(new URL(`../../../test/golden/barman/${file}`, import.meta.url), "utf8");

/** Both were written by barman-cloud-backup 3.19; only the paths were changed. */
const files = ["backup-15.info", "backup-17.info"];
const text = golden("backup-15.info");
const replaced = (key: string, value: string): string =>
  text.replace(new RegExp(`^${key}=.*$`, "m"), `${key}=${value}`);

describe("a backup.info that barman-cloud wrote", () => {
  it.each(files)("%s comes back byte by byte", (file) => {
    const read = parseBackupInfo(golden(file));
    expect(read).toMatchObject({ kind: "info", stray: [] });
    if (read.kind === "info") expect(formatBackupInfo(read.info)).toBe(golden(file));
  });

  it("says what restore needs", () => {
    expect(parseBackupInfo(text)).toMatchObject({
      info: {
        status: "DONE",
        backupName: "nightly",
        beginTime: parseMoment("2026-11-21T09:54:04.285577Z"),
        endTime: parseMoment("2026-11-21T09:54:06.970849Z"),
        beginWal: "000000010000000000000014",
        endWal: "000000010000000000000014",
        beginLsn: 0x14000028n,
        endLsn: 0x14000138n,
        timeline: 1,
        systemId: "7710555017721540071",
        version: 150018,
        segmentBytes: 16_777_216,
        clusterBytes: 31_305_417,
        tablespaces: [{ name: "ts1", oid: 40960, location: "/var/lib/postgresql/ts1" }],
        backupLabel: expect.stringMatching(/^START WAL LOCATION: 0\/14000028 .*\n$/s),
      },
    });
  });

  it("is read over stray lines, which are told", () => {
    const injected = "x-amz-checksum-crc32:AAAAAA==\n0;chunk-signature=abc\n";
    expect(parseBackupInfo(`# note\n${text}${injected}`)).toMatchObject({
      kind: "info",
      stray: ["x-amz-checksum-crc32:AAAAAA==", "0;chunk-signature=abc"],
    });
  });

  it("may have keys that only a newer barman knows, and Windows line ends", () => {
    expect(parseBackupInfo(`${text}new_key=1\n`.replaceAll("\n", "\r\n"))).toMatchObject({ kind: "info", stray: [] });
  });

  it("of a failed backup needs no more than its status", () => {
    expect(parseBackupInfo("status=FAILED\nerror=disk full\n")).toEqual({
      kind: "info",
      info: { status: "FAILED", error: "disk full", segmentBytes: 16_777_216, tablespaces: [] },
      stray: [],
    });
  });
});

describe("a backup.info that cannot be relied on", () => {
  it.each([
    ["an empty one", "", "no status"],
    ["a cut one", text.slice(0, text.indexOf("status=")), "no status"],
    ["another status", replaced("status", "FINE"), "a damaged status"],
    ["no end", replaced("end_time", "None"), "no end_time"],
    ["a damaged time", replaced("end_time", "yesterday"), "a damaged end_time"],
    ["a damaged LSN", replaced("begin_xlog", "14000028"), "a damaged begin_xlog"],
    ["a damaged segment", replaced("begin_wal", "14"), "a damaged begin_wal"],
    ["a damaged number", replaced("timeline", "one"), "a damaged timeline"],
    ["a number too large", replaced("cluster_size", "9999999999999999"), "a damaged cluster_size"],
    ["a damaged system", replaced("systemid", "x"), "a damaged systemid"],
    ["a strange segment size", replaced("xlog_segment_size", "1000"), "a damaged xlog_segment_size"],
    ["a damaged label", replaced("backup_label", "'START"), "a damaged backup_label"],
    ["damaged tablespaces", replaced("tablespaces", "[('a', 1)]"), "a damaged tablespaces"],
    ["tablespaces of another form", replaced("tablespaces", "{'a': 1}"), "a damaged tablespaces"],
    ["volume snapshots", `${text}snapshots_info={'provider': 'aws'}\n`, "volume snapshots, not supported yet"],
  ])("is unreadable: %s", (_, content, problem) => {
    expect(parseBackupInfo(content)).toEqual({ kind: "unreadable", error: `backup.info has ${problem}` });
  });

  it("tells all that is wrong", () => {
    const read = parseBackupInfo(replaced("end_time", "None").replace(/^timeline=.*$/m, "timeline=x"));
    expect(read).toMatchObject({ error: "backup.info has no end_time, a damaged timeline" });
  });
});

describe("a backup.info of ours", () => {
  const line = fc.stringMatching(/^[a-z/]([a-z ='"/]{0,20}[a-z])?$/).filter((value) => value !== "None");
  const micros = fc.bigInt({ min: 0n, max: 4_102_444_800_000_000n });
  const lsn = fc.bigInt({ min: 1n, max: 2n ** 50n });
  const count = fc.nat();
  const backupInfo = fc
    .record(
      {
        status: fc.constantFrom(...barmanStatuses),
        backupName: line,
        backupLabel: fc.string({ minLength: 1 }),
        beginTime: micros,
        endTime: micros,
        beginLsn: lsn,
        endLsn: lsn,
        timeline: fc.integer({ min: 1, max: 1000 }),
        systemId: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(String),
        version: count,
        segmentBytes: fc.integer({ min: 0, max: 10 }).map((power) => 2 ** (20 + power)),
        clusterBytes: count,
        storedBytes: count,
        pgdata: line,
        configFile: line,
        hbaFile: line,
        identFile: line,
        dataChecksums: fc.constantFrom("on", "off"),
        summarizeWal: fc.constantFrom("on", "off"),
        tablespaces: fc.array(fc.record({ name: fc.string(), oid: count, location: fc.string() }), { maxLength: 3 }),
        copyStats: fc.constant({ total_time: 1.5, number_of_workers: 2 }),
        error: line,
      },
      { requiredKeys: ["status", "segmentBytes", "tablespaces"], noNullPrototype: true },
    )
    .map((info) => info as BackupInfo);

  it("comes back unchanged from its text", () => {
    fc.assert(
      fc.property(backupInfo, (drawn) => {
        const info: BackupInfo = drawn.status === "DONE" ? { ...finished, ...drawn } : drawn;
        expect(parseBackupInfo(formatBackupInfo(info))).toEqual({ kind: "info", info, stray: [] });
      }),
    );
  });

  const finished = {
    beginTime: 1n,
    endTime: 2n,
    beginWal: segmentOfLsn(0x2000028n, 1, 16_777_216),
    endWal: segmentOfLsn(0x2000028n, 1, 16_777_216),
    beginLsn: 0x2000028n,
    endLsn: 0x2000138n,
    timeline: 1,
  };

  it("keeps a message of several lines on one, so that barman can read it", () => {
    const written = formatBackupInfo({
      status: "FAILED",
      error: "first\r\n second\n",
      segmentBytes: 2 ** 24,
      tablespaces: [],
    });
    expect(written).toMatch(/^error=first second$/m);
    expect(written.split("\n").filter((line) => line !== "" && !line.includes("="))).toEqual([]);
  });

  it("has every key of barman-cloud 3.19, in order, but a name only when there is one", () => {
    const keysOf = (content: string): string[] => [...content.matchAll(/^([a-z_]+)=/gm)].map((match) => match[1]!);
    const ours = keysOf(formatBackupInfo({ status: "FAILED", segmentBytes: 2 ** 24, tablespaces: [] }));
    expect(ours).toEqual(keysOf(golden("backup-17.info")));
    const named = formatBackupInfo({ status: "FAILED", backupName: "x", segmentBytes: 2 ** 24, tablespaces: [] });
    expect(keysOf(named)).toEqual(keysOf(golden("backup-15.info")));
  });
});
