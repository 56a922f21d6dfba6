import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createLogger } from "#observe/logger.ts";
import type { BackupInfo } from "#repository/pgbackrest/info.ts";
import { openGapFile } from "./gap-file.ts";
import { createGaps, type Gap, type GapPlace, type Gaps } from "./gaps.ts";

const logger = createLogger("error", {});
let folders: readonly string[];
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-gaps-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  folders = [join(folder, "volume"), join(folder, "spool")];
});
/** As a process that begins. */
const open = (): Gaps => createGaps(openGapFile(folders, logger));

const repository = (key: number, path = `/${key}`) =>
  ({ type: "s3", key, path, bucket: "b", endpoint: "e", region: "r", verifyTls: true }) as const;
const place: GapPlace = { systemId: "7", stanza: "main", config: { repositories: [repository(1), repository(2)] } };
const segment = (number: number): string => `00000001${number.toString(16).toUpperCase().padStart(16, "0")}`;
const gap = (number: number, ...repositories: readonly number[]): Gap => ({
  segment: segment(number),
  repositories,
  at: new Date(1_800_000_000_000 + number),
});
const backup = (type: "full" | "incr", repositoryKey: number, begin: number, annotations = {}): BackupInfo =>
  ({ type, repositoryKey, beginWal: segment(begin), annotations }) as unknown as BackupInfo;

describe("WAL that was given up", () => {
  it("is told again by the process after, from either of two folders", async () => {
    await open().add(gap(1, 2), place);
    expect(open().list).toEqual([gap(1, 2)]);
    for (const lost of folders) {
      await open().add(gap(2, 1, 2), place);
      await rm(lost, { recursive: true });
      const gaps = open();
      await gaps.use(place);
      expect(gaps.list).toEqual([gap(1, 2), gap(2, 1, 2)]);
    }
  });

  it("is told once, however often it was given up", async () => {
    const gaps = open();
    await Promise.all([gaps.add(gap(1, 2), place), gaps.add(gap(1, 2), place)]);
    expect(open().list).toEqual([gap(1, 2)]);
  });

  it("is forgotten in the repository where a full backup that counts begins behind it", async () => {
    const gaps = open();
    await gaps.add(gap(5, 1, 2), place);
    const none = [backup("full", 1, 5), backup("incr", 1, 9), backup("full", 1, 9, { "holdfast-failed": "no WAL" })];
    await gaps.close("main", none);
    expect(open().list).toEqual([gap(5, 1, 2)]);
    await gaps.close("main", [backup("full", 1, 6)]);
    expect(open().list).toEqual([gap(5, 2)]);
    await gaps.close("other", [backup("full", 2, 6)]);
    expect(open().list).toEqual([gap(5, 2)]);
    await gaps.close("main", [backup("full", 2, 6)]);
    expect(open().list).toEqual([]);
  });

  it("is told of its own place only: not of another database, Stanza or repository under the same number", async () => {
    await open().add(gap(1, 1, 2), place);
    const moved = open();
    await moved.use({ ...place, config: { repositories: [repository(1), repository(2, "/elsewhere")] } });
    expect(moved.list).toEqual([gap(1, 1)]);
    const other = open();
    await other.use({ ...place, stanza: "other" });
    expect(other.list).toEqual([]);
    expect(open().list).toEqual([gap(1, 1)]);
    const upgraded = open();
    await upgraded.use({ ...place, systemId: "8" });
    expect(open().list).toEqual([]);
  });

  it("is told with its first and its newest file when there is much of it", async () => {
    const gaps = open();
    for (let number = 1; number <= 250; number++) await gaps.add(gap(number, 1), place);
    expect(gaps.list).toHaveLength(100);
    expect([gaps.list[0], gaps.list.at(-1)]).toEqual([gap(1, 1), gap(250, 1)]);
    expect(open().list).toEqual(gaps.list);
  });

  it("keeps nobody from starting or archiving when what was written is damaged, or nothing can be written", async () => {
    for (const folder of folders) await mkdir(folder);
    await writeFile(join(folders[0]!, "given-up-wal.json"), '[{"segment":1},null,{"segment":"x","repositories":[{}]}]');
    await writeFile(join(folders[1]!, "given-up-wal.json"), "[{");
    expect(open().list).toEqual([]);
    for (const folder of folders) await rm(folder, { recursive: true });
    for (const folder of folders) await writeFile(folder, "no folder");
    const gaps = open();
    await gaps.add(gap(1, 1), place);
    expect(gaps.list).toEqual([gap(1, 1)]);
  });

  it("leaves one file in a folder, which nobody else can read", async () => {
    await open().add(gap(1, 1), place);
    expect(await readdir(folders[0]!)).toEqual(["given-up-wal.json"]);
    expect((await stat(join(folders[0]!, "given-up-wal.json"))).mode & 0o777).toBe(0o600);
  });
});
