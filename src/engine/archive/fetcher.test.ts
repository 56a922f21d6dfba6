import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { walCompressions } from "#codec/compression.ts";
import type { ObjectStore } from "#store/store.ts";
import { segmentNames, walContent, type Pgdata } from "#test/bench/wal-data.ts";
import {
  call,
  createFixture,
  eventually,
  failing,
  first,
  frozenStore,
  keyOf,
  logger,
  mib,
  never,
  text,
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

describe("one file", () => {
  it.each(["none", "gzip", "zstd"] as const)("arrives whole from an archive with compression %s", async (name) => {
    await fixture.archiveAll([first], fixture.locate({ compression: walCompressions[name] }));
    await newFetcher().fetch(request(first));
    expect((await readFile(destination)).equals(walContent(first, pgdata))).toBe(true);
    expect((await stat(destination)).mode & 0o777).toBe(0o600);
    expect(await leftovers()).toEqual(["RECOVERYXLOG"]);
  });

  it("may be a history file or a backup label of any size", async () => {
    const names = ["00000002.history", `${first}.00000028.backup`];
    await fixture.archiveAll(names);
    const fetcher = newFetcher();
    for (const name of names) {
      await fetcher.fetch(request(name, { mode: "recovery" }));
      expect(await readFile(destination)).toEqual(walContent(name, pgdata));
    }
  });

  it("may have 64 MiB", async () => {
    const big = await createFixture({ segmentBytes: 64 * mib });
    await big.archiver().archive(await big.pgdata.add(first), big.locate(), call());
    await newFetcher().fetch(request(first, { location: big.locate(), segmentBytes: 64 * mib }));
    expect((await readFile(destination)).equals(walContent(first, big.pgdata))).toBe(true);
  });

  it("comes from its partial segment when the whole one is missing, and from the whole one when it is there", async () => {
    const fetcher = newFetcher();
    const partial = walContent("partial", pgdata);
    await fixture.put(keyOf(`${first}.partial`, ""), partial);
    await fixture.put(keyOf(`${first}.00000028.backup`, ""), "label");
    await fetcher.fetch(request(first));
    expect((await readFile(destination)).equals(partial)).toBe(true);
    await fixture.archiveAll([first]);
    await fetcher.fetch(request(first));
    expect((await readFile(destination)).equals(walContent(first, pgdata))).toBe(true);
  });

  it("is found without a listing once the suffix is known", async () => {
    const [one, two] = segmentNames(first, 2, mib);
    await fixture.archiveAll([one!, two!], fixture.locate({ compression: walCompressions.gzip }));
    const { state, store: counted } = failing(store, "Unavailable");
    state.failing = false;
    const location = fixture.locate({ store: counted });
    const fetcher = newFetcher();
    await fetcher.fetch(request(one!, { location, mode: "rewind" }));
    expect(state.lists).toBe(1);
    await fetcher.fetch(request(two!, { location, mode: "rewind" }));
    expect(state.lists).toBe(1);
  });

  it.each([
    ["holds 1048575 bytes", Buffer.alloc(mib - 1), {}],
    ["holds more than", Buffer.alloc(mib + 1), {}],
    ["does not have the digest", Buffer.alloc(mib), { "holdfast-sha256": "00" }],
  ])("is refused when it %s, leaving nothing behind", async (why, content, metadata) => {
    await fixture.put(keyOf(first, ""), content, metadata);
    const location = fixture.locate({ compression: walCompressions.none });
    await expect(newFetcher().fetch(request(first, { location }))).rejects.toMatchObject({
      kind: "Corrupt",
      message: text(`${keyOf(first, "")} ${why}`),
    });
    expect(await leftovers()).toEqual([]);
  });

  it("is refused when it is damaged or of a compression that cannot be read", async () => {
    await fixture.put(keyOf(first), "no zstd at all");
    await expect(newFetcher().fetch(request(first))).rejects.toMatchObject({ kind: "Corrupt" });
    await store.delete([keyOf(first)], { signal: never });
    await fixture.put(keyOf(first, ".bz2"), "BZh9");
    await expect(newFetcher().fetch(request(first))).rejects.toMatchObject({
      kind: "StoreRefused",
      message: text("bzip2"),
    });
    expect(await leftovers()).toEqual([]);
  });

  it("is refused by a name that is none", async () => {
    await expect(newFetcher().fetch(request("../pg_control"))).rejects.toMatchObject({ kind: "InvalidName" });
  });

  it("replaces what a killed process left beside it", async () => {
    await fixture.archiveAll([first]);
    await writeFile(`${destination}.holdfast-0123456789ab`, "half");
    await writeFile(join(fixture.root, "standby", "000000010000000000000009"), "kept");
    await newFetcher().fetch(request(first));
    expect((await leftovers()).toSorted()).toEqual(["000000010000000000000009", "RECOVERYXLOG"]);
  });
});

describe("absence", () => {
  it.each(["recovery", "running", "rewind"] as const)(
    "is answered when the listing shows nothing (%s)",
    async (mode) => {
      await fixture.archiveAll([first]);
      for (const name of ["00000002.history", segmentNames(first, 2, mib)[1]!]) {
        await expect(newFetcher().fetch(request(name, { mode }))).rejects.toMatchObject({
          kind: "NotFound",
          message: text(name),
        });
      }
      expect(await leftovers()).toEqual([]);
    },
  );

  it.each(["AccessDenied", "NoSuchBucket"] as const)("is never concluded from %s", async (kind) => {
    const location = fixture.locate({ store: failing(store, kind).store });
    for (const mode of ["running", "rewind"] as const) {
      await expect(newFetcher().fetch(request(first, { location, mode }))).rejects.toMatchObject({
        kind: "StoreRefused",
      });
    }
  });

  it("is never concluded when only the listing fails", async () => {
    const { store: broken } = failing(store, "AccessDenied");
    const location = fixture.locate({ store: { ...broken, get: (key, options) => store.get(key, options) } });
    await expect(newFetcher().fetch(request(first, { location }))).rejects.toMatchObject({ kind: "StoreRefused" });
  });

  it("is not remembered", async () => {
    const fetcher = newFetcher();
    await expect(fetcher.fetch(request(first))).rejects.toMatchObject({ kind: "NotFound" });
    await fixture.archiveAll([first]);
    await fetcher.fetch(request(first));
  });
});

describe("recovery", () => {
  it.each(["Unavailable", "AccessDenied", "NoSuchBucket"] as const)(
    "waits until the store is back from %s and tells so once",
    async (kind) => {
      await fixture.archiveAll([first]);
      const { state, store: away } = failing(store, kind);
      const reports: string[] = [];
      const onWaiting: FetchRequest["onWaiting"] = (error, sinceMs) =>
        reports.push(`${error.kind} ${sinceMs < 1000}: ${error.message}`);
      const location = fixture.locate({ store: away });
      const fetching = newFetcher().fetch(request(first, { location, mode: "recovery", onWaiting }));
      await eventually(() => state.gets >= 2);
      state.failing = false;
      await fetching;
      expect((await readFile(destination)).equals(walContent(first, pgdata))).toBe(true);
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatch(/^(Unavailable|StoreRefused) true: fetching 0000.* from file:.*injected/);
    },
  );

  it("waits when the destination cannot be written, rather than end recovery", async () => {
    await fixture.archiveAll([first]);
    const directory = join(fixture.root, "later");
    const reports: string[] = [];
    const waiting = newFetcher().fetch(
      request(first, {
        destination: join(directory, "RECOVERYXLOG"),
        mode: "recovery",
        onWaiting: ({ kind }) => reports.push(kind),
      }),
    );
    await eventually(() => reports.length === 1);
    expect(reports).toEqual(["LocalFile"]);
    await mkdir(directory);
    await waiting;
  });

  it("ends when PostgreSQL gives up, leaving nothing behind", async () => {
    const cancel = new AbortController();
    const location = fixture.locate({ store: await frozenStore() });
    const fetching = newFetcher().fetch(request(first, { location, mode: "recovery", signal: cancel.signal }));
    cancel.abort();
    await expect(fetching).rejects.toMatchObject({ kind: "Unavailable", message: text("cancelled") });
    expect(await leftovers()).toEqual([]);
  });
});

describe("a running instance", () => {
  it("is answered within 3 s when the store never answers, then at once", async () => {
    const location = fixture.locate({ store: await frozenStore() });
    const fetcher = newFetcher();
    const started = performance.now();
    await expect(fetcher.fetch(request(first, { location }))).rejects.toMatchObject({
      kind: "Unavailable",
      message: text("within 3 s: the store does not answer"),
    });
    const afterFirst = performance.now();
    expect(afterFirst - started).toBeLessThan(3_500);
    await expect(fetcher.fetch(request(first, { location }))).rejects.toMatchObject({
      kind: "Unavailable",
      message: text("did not answer a moment ago"),
    });
    expect(performance.now() - afterFirst).toBeLessThan(500);
  });

  it("is served again as soon as a probe finds the store back, for each archive by itself", async () => {
    await fixture.archiveAll([first]);
    const { state, store: away } = failing(store, "EndpointUnreachable");
    const location = fixture.locate({ store: away });
    const fetcher = newFetcher();
    await expect(fetcher.fetch(request(first, { location }))).rejects.toMatchObject({ kind: "Unavailable" });
    await fetcher.fetch(request(first));
    await expect(fetcher.fetch(request(first, { location }))).rejects.toMatchObject({
      kind: "Unavailable",
      message: text("a moment ago"),
    });
    state.failing = false;
    await eventually(() =>
      fetcher.fetch(request(first, { location })).then(
        () => true,
        () => false,
      ),
    );
  });

  it("gets a file that takes longer than 3 s through the spool", async () => {
    await fixture.archiveAll([first]);
    const { promise, resolve } = Promise.withResolvers<void>();
    let gets = 0;
    const slow: ObjectStore = {
      ...store,
      get: async (key, options) => {
        // The first try never gets through; the one in the background does.
        if (key === keyOf(first) && ++gets === 1)
          await new Promise((_, reject) =>
            options.signal.addEventListener("abort", () => reject(options.signal.reason as Error)),
          );
        await promise;
        return store.get(key, options);
      },
    };
    const location = fixture.locate({ store: slow });
    const fetcher = newFetcher();
    await expect(fetcher.fetch(request(first, { location }))).rejects.toMatchObject({ kind: "Unavailable" });
    await eventually(() => gets === 2);
    const again = fetcher.fetch(request(first, { location }));
    resolve();
    await again;
    expect((await readFile(destination)).equals(walContent(first, pgdata))).toBe(true);
  });
});
