import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { ObjectStore } from "#store/store.ts";
import { segmentNames, walContent, type Pgdata } from "#test/bench/wal-data.ts";
import {
  createFixture,
  eventually,
  failing,
  first,
  keyOf,
  logger,
  mib,
  never,
  type Fixture,
} from "#test/bench/wal-fixture.ts";
import { barmanArchive } from "./barman-archive.ts";
import { createFetcher, type Fetcher, type FetchRequest } from "./fetcher.ts";
import type { ArchiveLocation } from "./location.ts";

let fixture: Fixture;
let pgdata: Pgdata;
let store: ObjectStore;
let destination: string;
beforeEach(async () => {
  fixture = await createFixture();
  ({ pgdata, store } = fixture);
  await mkdir(join(fixture.root, "standby"));
  destination = join(fixture.root, "standby", "RECOVERYXLOG");
});

const spool = (): string => join(fixture.root, "spool");

function newFetcher(): Fetcher {
  const fetcher = createFetcher({ spoolDirectory: spool(), logger });
  onTestFinished(() => fetcher.close());
  return fetcher;
}

type Changes = Partial<FetchRequest> & { readonly location?: ArchiveLocation };

const request = (name: string, { location = fixture.locate(), ...changes }: Changes = {}): FetchRequest => ({
  name,
  destination,
  archive: barmanArchive(location),
  segmentBytes: mib,
  mode: "running",
  signal: never,
  ...changes,
});

const leftovers = (): Promise<string[]> => readdir(join(fixture.root, "standby"));

describe("segments fetched ahead", () => {
  const spooled = async (): Promise<string[]> =>
    (await readdir(spool()))
      .filter((name) => !name.endsWith(".tmp"))
      .map((name) => name.slice(-24))
      .sort();
  const fetchAll = async (fetcher: Fetcher, names: readonly string[], changes: Changes = {}): Promise<void> => {
    for (const name of names) {
      await fetcher.fetch(request(name, { mode: "recovery", ...changes }));
      expect((await readFile(destination)).equals(walContent(name, pgdata))).toBe(true);
    }
  };

  it("are served from the spool, which never holds more than the bound", async () => {
    const names = segmentNames(first, 20, mib);
    await fixture.archiveAll(names);
    const { state, store: counted } = failing(store, "Unavailable");
    state.failing = false;
    const location = fixture.locate({ store: counted, maxParallel: 3 });
    const fetcher = newFetcher();
    for (const name of names) {
      await fetchAll(fetcher, [name], { location });
      expect((await readdir(spool())).length).toBeLessThanOrEqual(4);
    }
    await eventually(async () => (await spooled()).length === 0);
    // Each segment once, and a few vain requests behind the last one.
    expect(state.gets).toBeGreaterThanOrEqual(20);
    expect(state.gets).toBeLessThanOrEqual(26);
  });

  it("stop at the end of the archive without an answer being concluded from it", async () => {
    const names = segmentNames(first, 3, mib);
    await fixture.archiveAll(names.slice(0, 2));
    const fetcher = newFetcher();
    await fetchAll(fetcher, names.slice(0, 2));
    await fixture.archiveAll(names.slice(2));
    await fetchAll(fetcher, names.slice(2));
    await expect(fetcher.fetch(request("000000010000000000000004", { mode: "recovery" }))).rejects.toMatchObject({
      kind: "NotFound",
    });
  });

  it("of one archive are never served for another, nor those of one timeline for another", async () => {
    const names = segmentNames(first, 4, mib);
    await fixture.archiveAll(names);
    const fetcher = newFetcher();
    await fetchAll(fetcher, names.slice(0, 2));
    await eventually(async () => (await spooled()).length === 2);
    const branch = names[2]!.replace(/^00000001/, "00000002");
    await expect(fetcher.fetch(request(branch))).rejects.toMatchObject({ kind: "NotFound" });
    const elsewhere = fixture.locate({ server: "elsewhere" });
    await expect(fetcher.fetch(request(names[2]!, { location: elsewhere }))).rejects.toMatchObject({
      kind: "NotFound",
    });
    const other = walContent("other", pgdata);
    await fixture.put(keyOf(names[2]!, "").replace(/^pg/, "elsewhere"), other);
    await fetcher.fetch(request(names[2]!, { location: elsewhere }));
    expect((await readFile(destination)).equals(other)).toBe(true);
    await eventually(async () => (await spooled()).length === 0);
  });

  it("of a former position leave the spool when another one is served", async () => {
    const names = [...segmentNames(first, 4, mib), ...segmentNames("000000010000000000000021", 2, mib)];
    await fixture.archiveAll(names);
    const fetcher = newFetcher();
    await fetchAll(fetcher, names.slice(0, 2));
    await eventually(async () => (await spooled()).length === 2);
    await fetchAll(fetcher, names.slice(4, 5));
    await eventually(async () => (await spooled()).join() === names[5]);
  });

  it("do not exist for pg_rewind, which goes backwards", async () => {
    const names = segmentNames(first, 3, mib);
    await fixture.archiveAll(names);
    const { state, store: counted } = failing(store, "Unavailable");
    state.failing = false;
    await fetchAll(newFetcher(), names, { mode: "rewind", location: fixture.locate({ store: counted }) });
    expect(state.gets).toBe(3);
  });

  it("fail without harm when there is no room for a spool", async () => {
    const names = segmentNames(first, 4, mib);
    await fixture.archiveAll(names);
    await writeFile(spool(), "not a directory");
    await fetchAll(newFetcher(), names);
    await rm(spool());
  });

  it("of an earlier process are removed at start, and all at close", async () => {
    await mkdir(spool());
    await writeFile(join(spool(), `1-1-${first}`), "old");
    await fixture.archiveAll(segmentNames(first, 2, mib));
    const fetcher = newFetcher();
    await fetchAll(fetcher, [first]);
    await eventually(async () => (await spooled()).join() === segmentNames(first, 2, mib)[1]);
    await fetcher.close();
    expect(await readdir(spool())).toEqual([]);
  });

  it("move to a destination on another device", async () => {
    const names = segmentNames(first, 3, mib);
    await fixture.archiveAll(names);
    const fetcher = createFetcher({ spoolDirectory: join("/dev/shm", `holdfast-${process.pid}`), logger });
    // A running instance sees every error at once.
    await fetchAll(fetcher, names, { mode: "running" });
    await fetcher.close();
    await rm(join("/dev/shm", `holdfast-${process.pid}`), { recursive: true });
    expect(await leftovers()).toEqual(["RECOVERYXLOG"]);
  });
});
