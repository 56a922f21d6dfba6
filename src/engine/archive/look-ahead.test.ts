import { rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { ObjectStore } from "#store/store.ts";
import { segmentNames, walContent, type Pgdata } from "#test/bench/wal-data.ts";
import { call, createFixture, eventually, first, keyOf, mib, never, type Fixture } from "#test/bench/wal-fixture.ts";
import { type Archiver } from "./archiver.ts";
import type { ArchiveLocation } from "./location.ts";

let fixture: Fixture;
let pgdata: Pgdata;
let store: ObjectStore;
beforeEach(async () => {
  fixture = await createFixture();
  ({ pgdata, store } = fixture);
});

describe("look-ahead", () => {
  /** Asks for the names in turn, as PostgreSQL does. */
  async function archiveAll(archiver: Archiver, names: readonly string[], location: ArchiveLocation): Promise<void> {
    for (const name of names) {
      await archiver.archive(join(pgdata.walDirectory, name), location, call());
      await pgdata.done(name);
    }
  }

  /** A store that notes what is put and how many puts overlap; each waits until `release` is resolved. */
  function watched(release: Promise<void> = Promise.resolve()) {
    const seen = { order: [] as string[], most: 0, now: 0 };
    const watchedStore: ObjectStore = {
      ...store,
      put: async (key, body, options) => {
        const name = key.slice(key.lastIndexOf("/") + 1);
        if (name !== "owner.json") seen.order.push(name.replace(/\.zst$/, ""));
        seen.most = Math.max(seen.most, ++seen.now);
        if (seen.order.length > 1) await release;
        await store.put(key, body, options).finally(() => seen.now--);
      },
    };
    return { seen, store: watchedStore };
  }

  it("stores the next ready files, history files first, within its bounds", async () => {
    const names = [...segmentNames(first, 30, mib), "00000002.history", `${first}.00000028.backup`];
    for (const name of names) await pgdata.add(name);
    const { seen, store: observed } = watched();
    const archiver = fixture.archiver();
    await archiver.archive(join(pgdata.walDirectory, first), fixture.locate({ store: observed }), call());
    await eventually(() => seen.order.length === 5 && seen.now === 0);
    // Uploads that start together may end in any order.
    expect(seen.order[0]).toBe(first);
    expect(seen.order.toSorted()).toEqual([first, `${first}.00000028.backup`, names[1], names[2], "00000002.history"]);
    expect(seen.most).toBeLessThanOrEqual(4);

    const ahead = seen.order.slice(1);
    for (const name of ahead)
      await archiver.archive(join(pgdata.walDirectory, name), fixture.locate({ store: observed }), call());
    await eventually(() => seen.now === 0);
    expect(seen.most).toBeLessThanOrEqual(4);
    expect(archiver.status()).toMatchObject({ failures: 0, lastArchived: { name: ahead.at(-1) } });
  });

  it("archives a backlog completely with one copy of each file", async () => {
    const names = segmentNames(first, 40, mib);
    for (const name of names) await pgdata.add(name);
    const { seen, store: observed } = watched();
    const archiver = fixture.archiver();
    await archiveAll(archiver, names, fixture.locate({ store: observed }));
    expect(await fixture.archived()).toEqual(names.map((name) => `${name}.zst`));
    expect(seen.order).toHaveLength(40);
    expect(seen.most).toBeGreaterThan(1);
    expect(seen.most).toBeLessThanOrEqual(4);
    expect(archiver.status()).toMatchObject({ files: 40, bytes: 40 * mib, ready: 0 });
  });

  it("never lets a failing file ahead fail the requested one, and tries it again when asked", async () => {
    const names = segmentNames(first, 6, mib);
    for (const name of names) await pgdata.add(name);
    await truncate(join(pgdata.walDirectory, names[2]!), 17);
    await store.put(keyOf(names[3]!), Buffer.from("damaged"), { signal: never, metadata: { "holdfast-sha256": "0" } });
    const archiver = fixture.archiver();
    await archiveAll(archiver, names.slice(0, 2), fixture.locate());
    await expect(archiveAll(archiver, names.slice(2, 3), fixture.locate())).rejects.toMatchObject({
      kind: "LocalFile",
    });
    await pgdata.add(names[2]!);
    await archiveAll(archiver, names.slice(2, 3), fixture.locate());
    await expect(archiveAll(archiver, names.slice(3, 4), fixture.locate())).rejects.toMatchObject({ kind: "Conflict" });
    await store.delete([keyOf(names[3]!)], { signal: never });
    await archiveAll(archiver, names.slice(3), fixture.locate());
    expect(await fixture.archived()).toHaveLength(6);
  });

  it("does not trust what it stored ahead when the file has changed since", async () => {
    const [one, two] = segmentNames(first, 2, mib);
    await pgdata.add(one!);
    await pgdata.add(two!);
    const archiver = fixture.archiver();
    await archiveAll(archiver, [one!], fixture.locate());
    await eventually(async () => (await fixture.archived()).length === 2);
    await pgdata.add(two!, { content: walContent("other", pgdata) });
    await expect(archiveAll(archiver, [two!], fixture.locate())).rejects.toMatchObject({ kind: "Conflict" });
  });

  it("does not take an upload under way for that of a file that has changed since", async () => {
    const [one, two] = segmentNames(first, 2, mib);
    for (const name of [one!, two!]) await pgdata.add(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    const { seen, store: observed } = watched(promise);
    const archiver = fixture.archiver();
    await archiveAll(archiver, [one!], fixture.locate({ store: observed }));
    await eventually(() => seen.now === 1);
    await pgdata.add(two!, { content: walContent("other", pgdata) });
    const asked = archiveAll(archiver, [two!], fixture.locate({ store: observed }));
    resolve();
    await expect(asked).rejects.toMatchObject({ kind: "Conflict" });
  });

  it("goes on while the requested file takes long", async () => {
    const names = segmentNames(first, 20, mib);
    for (const name of names) await pgdata.add(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow: ObjectStore = {
      ...store,
      put: async (key, body, options) => {
        if (key === keyOf(names[1]!)) await promise;
        await store.put(key, body, options);
      },
    };
    const archiver = fixture.archiver();
    const location = fixture.locate({ store: slow });
    await archiveAll(archiver, names.slice(0, 1), location);
    // Counted when the upload has given its slot back, which is a moment after the object is there.
    await eventually(() => archiver.status().files === 4);
    const asked = archiveAll(archiver, names.slice(1, 2), location);
    await eventually(async () => (await fixture.archived()).length === 7);
    resolve();
    await asked;
  });

  it("starts nothing when the sidecar closes during a call", async () => {
    const names = segmentNames(first, 8, mib);
    for (const name of names) await pgdata.add(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    const { seen, store: observed } = watched(promise);
    const archiver = fixture.archiver();
    await archiveAll(archiver, names.slice(0, 1), fixture.locate({ store: observed }));
    await eventually(() => seen.now === 4);
    const asked = archiveAll(archiver, names.slice(1, 2), fixture.locate({ store: observed }));
    await eventually(() => seen.now === 4);
    const closing = archiver.close(never);
    resolve();
    await Promise.all([asked, closing]);
    expect(await fixture.archived()).toHaveLength(5);
  });

  it("does not answer for one archive with what it stored in another", async () => {
    const names = segmentNames(first, 4, mib);
    for (const name of names) await pgdata.add(name);
    const archiver = fixture.archiver();
    await archiveAll(archiver, names.slice(0, 1), fixture.locate());
    await eventually(async () => (await fixture.archived()).length === 4);
    await archiveAll(archiver, names.slice(1), fixture.locate({ server: "elsewhere" }));
    expect(await fixture.archived("elsewhere")).toEqual(names.slice(1).map((name) => `${name}.zst`));
  });

  it("starts nothing after close, which waits for what is running", async () => {
    const names = segmentNames(first, 8, mib);
    for (const name of names) await pgdata.add(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    const { seen, store: observed } = watched(promise);
    const archiver = fixture.archiver();
    await archiveAll(archiver, names.slice(0, 1), fixture.locate({ store: observed }));
    await eventually(() => seen.now === 4);
    const closing = archiver.close(never);
    resolve();
    await closing;
    expect(await fixture.archived()).toEqual(names.slice(0, 5).map((name) => `${name}.zst`));
    await expect(archiveAll(archiver, names.slice(5), fixture.locate())).rejects.toMatchObject({ kind: "Unavailable" });
  });

  it("reads the marks once for many calls", async () => {
    const names = segmentNames(first, 60, mib);
    for (const name of names) await pgdata.add(name);
    const archiver = fixture.archiver();
    await archiveAll(archiver, names.slice(0, 1), fixture.locate());
    await eventually(async () => (await fixture.archived()).length === 5);
    await rm(join(pgdata.walDirectory, "archive_status"), { recursive: true });
    await archiveAll(archiver, names.slice(1, 20), fixture.locate());
    await eventually(async () => (await fixture.archived()).length > 20);
  });
});
