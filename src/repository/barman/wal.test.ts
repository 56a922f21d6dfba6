import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatSegmentName, parseSegmentName, segmentsBetween, type SegmentName } from "#postgres/segment.ts";
import { formatMicros } from "#postgres/timestamp.ts";
import { openFilesystemStore } from "#store/filesystem.ts";
import type { ObjectStore } from "#store/store.ts";
import type { NewestWal, Repository } from "../repository.ts";
import { openBarmanRepository } from "./repository.ts";
import { walKey, type WalExtension } from "./layout.ts";

const golden = new URL("../../../test/golden/postgres/", import.meta.url);
const segmentFile = (file: string): Buffer => gunzipSync(readFileSync(new URL(file, golden)));
const name = (text: string): SegmentName => parseSegmentName(text)!;
const mib = 1024 * 1024;
const signal = AbortSignal.timeout(20_000);

/** Segments 07 and 08 of one server, of 1 MiB; the newest commits in them. */
const seventh = segmentFile("segment-15-mixed.gz");
const eighth = segmentFile("segment-15-cut.gz");
const [seventhTime, eighthTime] = ["2026-11-21T09:48:39.616192Z", "2026-11-21T09:48:40.185580Z"];

let root: string;
let store: ObjectStore;
let repository: Repository;
let read: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "barman-wal-"));
  const files = openFilesystemStore(root);
  read = [];
  store = {
    ...files,
    get: async (key, options) => {
      read.push(key);
      return files.get(key, options);
    },
  };
  repository = openBarmanRepository(store);
});

afterEach(() => rm(root, { recursive: true }));

const put = (file: string, content: Uint8Array = Buffer.from("x"), extension: WalExtension = ""): Promise<void> =>
  store.put(walKey("pg", file, extension), content, { signal });

const newest = async (known?: NewestWal): Promise<{ name?: string; time?: string; why?: string }> => {
  const wal = await repository.newestWal("pg", { signal, ...(known === undefined ? {} : { known }) });
  return {
    ...(wal && { name: wal.name }),
    ...(wal?.commitTime !== undefined && { time: formatMicros(wal.commitTime) }),
    ...(wal?.commitTimeUnknown !== undefined && { why: wal.commitTimeUnknown }),
  };
};

/** The segment without any record: the header, and zeros after it. */
const empty = (segment: Buffer, at: number): Buffer => {
  const content = Buffer.alloc(segment.length);
  segment.copy(content, 0, 0, 40);
  content.writeUInt16LE(content.readUInt16LE(2) & ~1, 2);
  content.writeUInt32LE(0, 16);
  content.writeBigUInt64LE(BigInt(at) * BigInt(mib), 8);
  return content;
};

describe("the end of the archive", () => {
  it("is the last segment, with the time of the newest commit in it", async () => {
    await put("000000010000000000000007", seventh);
    await put("000000010000000000000008", gzipSync(eighth), ".gz");
    await put("000000010000000000000008.partial");
    await put("000000010000000000000008.00000028.backup");
    const wal = await repository.newestWal("pg", { signal });
    expect(wal).toEqual({
      name: "000000010000000000000008",
      key: "pg/wals/0000000100000000/000000010000000000000008.gz",
      bytes: gzipSync(eighth).length,
      storedAt: expect.any(Date),
      commitTime: expect.any(BigInt),
    });
    expect(formatMicros(wal!.commitTime!)).toBe(eighthTime);
  });

  it("is found without reading a segment where only its name counts", async () => {
    await put("000000010000000000000007", seventh);
    const wal = await repository.newestWal("pg", { nameOnly: true, signal });
    expect(wal).toMatchObject({ name: "000000010000000000000007" });
    expect(wal).not.toHaveProperty("commitTime");
    expect(read).toEqual([]);
  });

  it("does not exist in an archive without segments", async () => {
    expect(await newest()).toEqual({});
    await put("00000002.history");
    await put("000000010000000000000008.partial");
    expect(await newest()).toEqual({});
  });

  it("is looked for in the segments before when no transaction ended in the last", async () => {
    await put("000000010000000000000007", zstdCompressSync(seventh), ".zst");
    await put("000000010000000000000008", empty(eighth, 8));
    await put("000000010000000000000009", empty(eighth, 9));
    expect(await newest()).toEqual({ name: "000000010000000000000009", time: seventhTime });
  });

  it("has no time when the last segments end no transaction, unless it was known before", async () => {
    await put("000000010000000000000007", seventh);
    const known = await repository.newestWal("pg", { signal });
    for (const at of [8, 9, 10, 11])
      await put(formatSegmentName({ timeline: 1, segment: BigInt(at) }, mib), empty(eighth, at));
    expect(await newest()).toEqual({ name: "00000001000000000000000B" });
    expect(await newest(known)).toEqual({ name: "00000001000000000000000B", time: seventhTime });
    expect(await newest({ ...known!, name: name("000000020000000000000007") })).not.toHaveProperty("time");
  });

  it("is read once while the archive does not grow", async () => {
    await put("000000010000000000000007", seventh);
    const known = await repository.newestWal("pg", { signal });
    read.length = 0;
    expect(await newest(known)).toEqual({ name: "000000010000000000000007", time: seventhTime });
    expect(read).toEqual([]);
    await put("000000010000000000000008", empty(eighth, 8));
    expect(await newest(known)).toEqual({ name: "000000010000000000000008", time: seventhTime });
    expect(read).toEqual(["pg/wals/0000000100000000/000000010000000000000008"]);
  });

  it("is read again when another segment has its name by now", async () => {
    await put("000000010000000000000007", seventh);
    const known = await repository.newestWal("pg", { signal });
    const before = { ...known!, commitTime: 1n };
    for (const changes of [{ storedAt: new Date(0) }, { bytes: 1 }])
      expect(await newest({ ...before, ...changes })).toEqual({ name: "000000010000000000000007", time: seventhTime });
  });

  it("is on the newest timeline that has a segment, over directories without one", async () => {
    await put("000000010000000000000007", seventh);
    await put("00000001000000FF00000008.partial");
    await put("00000002.history");
    await put("000000020000000000000008.partial");
    expect(await newest()).toMatchObject({ name: "000000010000000000000007" });
    await put("000000020000000000000008", eighth);
    // The bytes are of segment 8; their timeline is told by the name alone.
    expect(await newest()).toEqual({ name: "000000020000000000000008", time: eighthTime });
    // What an older timeline committed may lie after the point at which it was left.
    await put("000000030000000000000009", empty(eighth, 9));
    expect(await newest()).toEqual({ name: "000000030000000000000009" });
  });

  it.each<[string, WalExtension, () => Buffer, RegExp]>([
    ["a compression not known here", ".bz2", () => Buffer.from("BZh"), /not supported yet: compression bzip2/],
    ["damaged gzip", ".gz", () => gzipSync(eighth).subarray(0, 2000), /reading gzip failed/],
    ["too few bytes", "", () => eighth.subarray(0, 5000), /it ends after 5000 bytes/],
    ["not even a header", "", () => eighth.subarray(0, 10), /it ends after 10 bytes/],
    ["too many bytes", "", () => Buffer.concat([eighth, eighth]), /longer than the 1048576 bytes/],
    ["another segment", "", () => seventh, /begins at 0\/700000, by its name at 0\/800000/],
    ["no WAL", "", () => Buffer.alloc(mib), /does not begin with a wal page/],
    [
      "segments too large to read",
      "",
      () => {
        const large = Buffer.from(eighth);
        large.writeUInt32LE(1024 * mib, 32);
        return large;
      },
      /segments of 1073741824 bytes are not read/,
    ],
  ])("says why the time is not known: %s", async (_, extension, content, why) => {
    await put("000000010000000000000008", content(), extension);
    expect(await newest()).toEqual({ name: "000000010000000000000008", why: expect.stringMatching(why) });
    // What an older segment proves stands beside it.
    await put("000000010000000000000007", seventh);
    expect(await newest()).toEqual({ name: "000000010000000000000008", time: seventhTime, why: expect.any(String) });
  });

  it("says so when a segment's size does not fit its name", async () => {
    const large = Buffer.alloc(2 * mib);
    eighth.copy(large);
    large.writeUInt32LE(2 * mib, 32);
    await put("000000010000000000000FFF", large);
    expect(await newest()).toMatchObject({ why: expect.stringMatching(/size of 2097152 bytes does not fit its name/) });
  });
});

describe("history files", () => {
  it("are known by their timelines, in order and whatever their compression", async () => {
    await put("0000000A.history", Buffer.from("x"), ".gz");
    await put("00000002.history");
    await put("00000002.history", Buffer.from("x"), ".zst");
    await put("000000010000000000000007", seventh);
    expect(await repository.historyTimelines("pg", { signal })).toEqual([2, 10]);
  });
});

describe("missing segments", () => {
  const segmentBytes = 16 * mib;
  const missing = (first: string, last: string): Promise<unknown> =>
    repository.missingSegments("pg", { first: name(first), last: name(last), segmentBytes }, { signal });
  const fill = async (first: string, last: string): Promise<void> => {
    for (const segment of segmentsBetween(name(first), name(last), segmentBytes, 300)) await put(segment);
  };

  it("are none when all are there, over a border of directories and in any compression", async () => {
    await fill("0000000100000000000000FD", "000000010000000100000002");
    await store.delete([walKey("pg", "0000000100000000000000FF", "")], { signal });
    await put("0000000100000000000000FF", Buffer.from("x"), ".bz2");
    await put("0000000100000000000000FE", Buffer.from("x"), ".gz");
    await put("0000000100000000000001FF");
    expect(await missing("0000000100000000000000FD", "000000010000000100000002")).toEqual({ names: [], count: 0 });
    expect(await missing("0000000100000000000000FE", "0000000100000000000000FE")).toEqual({ names: [], count: 0 });
  });

  it("are told by name, at the ends and in the middle", async () => {
    await fill("000000010000000000000003", "000000010000000000000005");
    await fill("000000010000000000000007", "000000010000000000000008");
    await put("000000010000000000000006.partial");
    await put("000000020000000000000002");
    expect(await missing("000000010000000000000002", "000000010000000000000009")).toEqual({
      names: ["000000010000000000000002", "000000010000000000000006", "000000010000000000000009"],
      count: 3,
    });
  });

  it("are counted, not all named, when there are many", async () => {
    await put("000000010000000100000000");
    const { names, count } = (await missing("000000010000000000000001", "000000010000000200000010")) as {
      names: string[];
      count: number;
    };
    expect(count).toBe(255 + 255 + 17);
    expect([names.length, names[0], names.at(-1)]).toEqual([
      100,
      "000000010000000000000001",
      "000000010000000000000064",
    ]);
  });

  it("are a question about one timeline", async () => {
    await expect(missing("000000010000000000000001", "000000020000000000000001")).rejects.toThrow(
      "segments of two timelines",
    );
  });
});
