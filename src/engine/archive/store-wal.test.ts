import { createHash } from "node:crypto";
import { symlink, truncate } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import { walCompressions } from "#codec/compression.ts";
import { StoreError } from "#store/errors.ts";
import type { ObjectStore } from "#store/store.ts";
import { createPgdata, segmentNames, walContent, type Pgdata } from "#test/bench/wal-data.ts";
import { call, createFixture, first, keyOf, mib, never, text, type Fixture } from "#test/bench/wal-fixture.ts";
import { createBufferPool, createSlots } from "./slots.ts";
import { storeWal } from "./store-wal.ts";

let fixture: Fixture;
let pgdata: Pgdata;
let store: ObjectStore;
beforeEach(async () => {
  fixture = await createFixture();
  ({ pgdata, store } = fixture);
});

function* endlessly<T>(value: T): Generator<T, void, undefined> {
  for (;;) yield value;
}

describe("storing the requested file", () => {
  it.each(["none", "gzip", "zstd"] as const)(
    "stores a segment with compression %s under barman's key",
    async (name) => {
      const location = fixture.locate({ compression: walCompressions[name] });
      await fixture.archiver().archive(await pgdata.add(first), location, call());
      expect(await fixture.archived()).toEqual([first + walCompressions[name].extension]);
      expect(await fixture.contentOf(first)).toEqual(walContent(first, pgdata));
    },
  );

  it("keeps the digest of the uncompressed bytes and the system id with the object", async () => {
    await fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call());
    const head = await store.head(keyOf(first), { signal: never });
    expect(head?.metadata).toMatchObject({
      "holdfast-sha256": createHash("sha256").update(walContent(first, pgdata)).digest("hex"),
      "holdfast-system-id": pgdata.systemId,
    });
  });

  it("stores history files, backup labels and partial segments", async () => {
    const archiver = fixture.archiver();
    const names = ["00000002.history", `${first}.00000028.backup`, `${first}.partial`];
    for (const name of names)
      await archiver.archive(await pgdata.add(name), fixture.locate({ compression: walCompressions.none }), call());
    expect(await fixture.archived()).toEqual(names.toSorted());
  });

  it("takes segments of 64 MiB and a pg_wal that is a symbolic link", async () => {
    const big = await createPgdata(join(fixture.root, "big"), { segmentBytes: 64 * mib });
    await symlink(big.walDirectory, join(fixture.root, "linked"));
    await big.add(first);
    await fixture.archiver({ data: big }).archive(join(fixture.root, "linked", first), fixture.locate(), call());
    expect((await fixture.contentOf(first)).equals(walContent(first, big))).toBe(true);
  });

  it("succeeds again for the same file, in this process and in the next", async () => {
    const path = await pgdata.add(first);
    const archiver = fixture.archiver();
    await archiver.archive(path, fixture.locate(), call());
    await archiver.archive(path, fixture.locate(), call());
    await fixture.archiver().archive(path, fixture.locate(), call());
    expect(await fixture.archived()).toEqual([`${first}.zst`]);
  });

  it("succeeds when the answer to the put was lost and the repeated put finds the object", async () => {
    let lost = false;
    const flaky: ObjectStore = {
      ...store,
      put: async (key, body, options) => {
        await store.put(key, body, options);
        if (lost || !key.includes("/wals/")) return;
        lost = true;
        throw new StoreError("EndpointUnreachable", "connection reset");
      },
    };
    await fixture.archiver().archive(await pgdata.add(first), fixture.locate({ store: flaky }), call());
    expect(lost).toBe(true);
    expect(await fixture.archived()).toEqual([`${first}.zst`]);
  });

  it.each([
    ["a name that is no WAL file", "archive_status", "InvalidName"],
    ["a lower-case name", "00000001000000000000000a", "InvalidName"],
    ["a file that is not there", first, "LocalFile"],
  ])("refuses %s", async (_, name, kind) => {
    const archiving = fixture.archiver().archive(join(pgdata.walDirectory, name), fixture.locate(), call());
    await expect(archiving).rejects.toMatchObject({ kind, message: text(name) });
  });

  it("refuses a segment that is cut short, naming it", async () => {
    const path = await pgdata.add(first);
    await truncate(path, mib / 2);
    await expect(fixture.archiver().archive(path, fixture.locate(), call())).rejects.toMatchObject({
      kind: "LocalFile",
      message: text(path),
    });
    expect(await fixture.archived()).toEqual([]);
  });
});

describe("a name that is taken", () => {
  it("refuses other content and names the object and both systems", async () => {
    await fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call());
    const path = await pgdata.add(first, { content: walContent("other", pgdata) });
    const failure = fixture.archiver().archive(path, fixture.locate(), call());
    await expect(failure).rejects.toMatchObject({
      kind: "Conflict",
      message: text(keyOf(first)),
    });
    await expect(failure).rejects.toThrow(new RegExp(`${pgdata.systemId}.*${pgdata.systemId}`));
    expect((await fixture.contentOf(first)).equals(walContent(first, pgdata))).toBe(true);
  });

  it.each(["none", "gzip", "zstd"] as const)(
    "accepts barman's object (%s, no metadata) with the same content",
    async (name) => {
      const codec = walCompressions[name];
      await store.put(keyOf(first, codec.extension), await codec.compress(walContent(first, pgdata), never), {
        signal: never,
      });
      await fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call());
      expect(await fixture.archived()).toEqual([first + codec.extension]);
    },
  );

  it("refuses barman's object with other content and reads the system id from its first page", async () => {
    const other = walContent(first, { systemId: "7300000000000000099", segmentBytes: mib });
    await fixture.put(keyOf(first, ".gz"), await walCompressions.gzip.compress(other, never));
    const failure = fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call());
    await expect(failure).rejects.toMatchObject({
      kind: "Conflict",
      message: text("7300000000000000099"),
    });
    expect(await fixture.archived()).toEqual([`${first}.gz`]);
  });

  it.each([
    ["the same", "succeeds"],
    ["other", "is refused"],
  ])("taken in the last moment by %s content %s", async (which, outcome) => {
    const content = which === "the same" ? walContent(first, pgdata) : walContent("other", pgdata);
    const racing: ObjectStore = {
      ...store,
      put: async (key, body, options) => {
        if (key === keyOf(first)) await fixture.put(key, await walCompressions.zstd.compress(content, never));
        await store.put(key, body, options);
      },
    };
    const archiving = fixture.archiver().archive(await pgdata.add(first), fixture.locate({ store: racing }), call());
    if (outcome === "succeeds") await archiving;
    else await expect(archiving).rejects.toMatchObject({ kind: "Conflict" });
    expect((await fixture.contentOf(first)).equals(content)).toBe(true);
  });

  it("is compared when the put finds it, also when nobody looked before", async () => {
    const options = {
      location: fixture.locate(),
      systemId: pgdata.systemId,
      segmentBytes: mib,
      lookForOthers: false,
      pool: createBufferPool(),
      preparing: createSlots(),
      signal: never,
    };
    const path = await pgdata.add(first);
    expect(await storeWal(path, options)).toMatchObject({ bytes: mib, alreadyStored: false });
    expect(await storeWal(path, options)).toMatchObject({ bytes: mib, storedBytes: 0, alreadyStored: true });
    await pgdata.add(first, { content: walContent("other", pgdata) });
    await expect(storeWal(path, options)).rejects.toMatchObject({ kind: "Conflict" });
  });

  it("is not the name of a partial segment or a backup label that begins like it", async () => {
    await fixture.put(keyOf(`${first}.partial`), "partial");
    await fixture.put(keyOf(`${first}.00000028.backup`, ""), "label");
    await fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call());
    expect(await fixture.archived()).toHaveLength(3);
  });

  it("is compared no further than the local file is long", async () => {
    await fixture.put(keyOf(first, ""), "endless");
    const endless: ObjectStore = {
      ...store,
      get: async (key, options) => {
        const found = await store.get(key, options);
        if (!key.includes("/wals/")) return found;
        found.body.destroy();
        return { ...found, body: Readable.from(endlessly(Buffer.alloc(mib))) };
      },
    };
    const failure = fixture.archiver().archive(await pgdata.add(first), fixture.locate({ store: endless }), call());
    await expect(failure).rejects.toMatchObject({ kind: "Conflict" });
  });

  it("refuses an object that holds more than the segment", async () => {
    const longer = Buffer.concat([walContent(first, pgdata), Buffer.alloc(8 * mib)]);
    await fixture.put(keyOf(first, ""), longer);
    await expect(fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call())).rejects.toMatchObject({
      kind: "Conflict",
    });
  });

  it("refuses what it cannot read, rather than storing a second copy", async () => {
    await fixture.put(keyOf(first, ".bz2"), Buffer.from("BZh9"));
    const failure = fixture.archiver().archive(await pgdata.add(first), fixture.locate(), call());
    await expect(failure).rejects.toMatchObject({
      kind: "Conflict",
      message: text("bzip2"),
    });
    expect(await fixture.archived()).toEqual([`${first}.bz2`]);
  });

  it("finds the copy of another compression after a change, and stores new files with the new one", async () => {
    const archiver = fixture.archiver();
    const [one, two] = segmentNames(first, 2, mib);
    const gzip = fixture.locate({ compression: walCompressions.gzip });
    await archiver.archive(await pgdata.add(one!), gzip, call());
    await archiver.archive(await pgdata.add(one!), { ...gzip, compression: walCompressions.zstd }, call());
    await archiver.archive(await pgdata.add(two!), { ...gzip, compression: walCompressions.zstd }, call());
    expect(await fixture.archived()).toEqual([`${one}.gz`, `${two}.zst`]);
  });
});
