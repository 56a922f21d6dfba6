import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { parseControlData, readControlFile } from "./control.ts";
import { crc32c } from "./crc32c.ts";
import { formatLsn } from "./lsn.ts";

const golden = new URL("../../test/golden/postgres/", import.meta.url);
const controlFile = (major: number): Buffer => gunzipSync(readFileSync(new URL(`pg_control-${major}.gz`, golden)));

/** What pg_controldata printed, by its own words. */
const printed = (major: number): ReadonlyMap<string, string> =>
  new Map(
    readFileSync(new URL(`pg_controldata-${major}.txt`, golden), "utf8")
      .split("\n")
      .map((line) => /^([^:]+):\s*(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map((match) => [match[1]!, match[2]!]),
  );

/** A changed copy whose checksum is right again. */
const altered = (change: (view: DataView) => void, crcOffset = 288): Buffer => {
  const content = controlFile(15);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  change(view);
  view.setUint32(crcOffset, crc32c(content.subarray(0, crcOffset)), true);
  return content;
};

describe("pg_control", () => {
  it.each([15, 17, 18])("of PostgreSQL %i says what its pg_controldata prints", (major) => {
    const data = parseControlData(controlFile(major));
    const text = printed(major);
    expect(data.pgVersion).toBe(major);
    expect(data.modifiedAt).toEqual(new Date(`${text.get("pg_control last modified")!} UTC`));
    expect({
      "pg_control version number": `${data.controlVersion}`,
      "Catalog version number": `${data.catalogVersion}`,
      "Database system identifier": data.systemId,
      "Database cluster state": data.state,
      "Latest checkpoint location": formatLsn(data.checkpointLsn),
      "Latest checkpoint's REDO location": formatLsn(data.redoLsn),
      "Latest checkpoint's TimeLineID": `${data.timeline}`,
      "Latest checkpoint's PrevTimeLineID": `${data.previousTimeline}`,
      "Bytes per WAL segment": `${data.segmentBytes}`,
      "Database block size": `${data.pageBytes}`,
      "Data page checksum version": `${data.dataChecksumVersion}`,
    }).toEqual(
      Object.fromEntries(
        [
          "pg_control version number",
          "Catalog version number",
          "Database system identifier",
          "Database cluster state",
          "Latest checkpoint location",
          "Latest checkpoint's REDO location",
          "Latest checkpoint's TimeLineID",
          "Latest checkpoint's PrevTimeLineID",
          "Bytes per WAL segment",
          "Database block size",
          "Data page checksum version",
        ].map((key) => [key, text.get(key)]),
      ),
    );
  });

  it("of PostgreSQL 16 is told from 15's by its catalog version", () => {
    expect(parseControlData(controlFile(16))).toMatchObject({
      pgVersion: 16,
      controlVersion: 1300,
      state: "shut down",
    });
  });

  it("shows how far a standby must replay", () => {
    const standby = altered((view) => {
      view.setBigUint64(136, 0x3000100n, true);
      view.setUint32(144, 2, true);
      view.setUint32(16, 5, true);
    });
    expect(parseControlData(standby)).toMatchObject({
      minRecoveryPoint: { lsn: 0x3000100n, timeline: 2 },
      state: "in archive recovery",
    });
    expect(parseControlData(controlFile(15))).not.toHaveProperty("minRecoveryPoint");
  });

  it.each<[string, () => Uint8Array, string, RegExp]>([
    ["a flipped bit", () => controlFile(15).fill(1, 40, 41), "Damaged", /wrong checksum/],
    ["a short file", () => controlFile(15).subarray(0, 100), "Damaged", /too short/],
    ["an impossible state", () => altered((view) => view.setUint32(16, 9, true)), "Damaged", /cluster state/],
    ["PostgreSQL 14", () => altered((view) => view.setUint32(12, 202107181, true)), "Unsupported", /202107181/],
    [
      "an older layout",
      () => altered((view) => view.setUint32(8, 1201, true)),
      "Unsupported",
      /version 1201 is not known: postgresql 12 is not supported/,
    ],
    ["a newer layout", () => altered((view) => view.setUint32(8, 1900, true)), "Unsupported", /1900.*postgresql 19/],
    ["big-endian bytes", () => altered((view) => view.setUint32(8, 1300, false)), "Unsupported", /big-endian/],
    ["noise", () => controlFile(15).fill(255), "Unsupported", /4294967295 is not known$/],
  ])("refuses %s", (_, content, kind, message) => {
    expect(() => parseControlData(content())).toThrow(
      expect.objectContaining({ kind, message: expect.stringMatching(message) }),
    );
  });
});

describe("the control file of a data directory", () => {
  const directories: string[] = [];
  const signal = AbortSignal.timeout(10_000);

  const dataDirectory = async (content: Uint8Array): Promise<string> => {
    const pgdata = await mkdtemp(join(tmpdir(), "pg-control-"));
    directories.push(pgdata);
    await mkdir(join(pgdata, "global"));
    await writeFile(join(pgdata, "global", "pg_control"), content);
    return pgdata;
  };

  afterEach(async () => {
    for (const path of directories.splice(0)) await rm(path, { recursive: true });
  });

  it("is read", async () => {
    const pgdata = await dataDirectory(controlFile(17));
    expect(await readControlFile(pgdata, { signal })).toMatchObject({ pgVersion: 17 });
  });

  it("is read again when a write is in the way", async () => {
    const pgdata = await dataDirectory(controlFile(15).fill(1, 40, 41));
    const reading = readControlFile(pgdata, { signal });
    await writeFile(join(pgdata, "global", "pg_control"), controlFile(15));
    expect(await reading).toMatchObject({ pgVersion: 15 });
  });

  it("that stays damaged is an error", async () => {
    const pgdata = await dataDirectory(controlFile(15).fill(1, 40, 41));
    await expect(readControlFile(pgdata, { signal })).rejects.toMatchObject({ kind: "Damaged" });
  });

  it("that is absent, or no file, is an error", async () => {
    const pgdata = await dataDirectory(controlFile(15));
    await expect(readControlFile(`${pgdata}/none`, { signal })).rejects.toMatchObject({ kind: "NotFound" });
    await rm(join(pgdata, "global", "pg_control"));
    await mkdir(join(pgdata, "global", "pg_control"));
    await expect(readControlFile(pgdata, { signal })).rejects.toMatchObject({ code: "EISDIR" });
  });

  it("is not waited for once the caller gave up", async () => {
    const pgdata = await dataDirectory(controlFile(15));
    await expect(readControlFile(pgdata, { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
  });
});
