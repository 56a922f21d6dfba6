import { join } from "node:path";
import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { decodeCluster } from "#cnpg/cluster.ts";
import { createFetcher } from "#engine/archive/fetcher.ts";
import type { ArchiveLocation } from "#engine/archive/location.ts";
import { delay } from "#std/abort.ts";
import type { ObjectStore } from "#store/store.ts";
import { createFixture, eventually, first, frozenStore, logger, never, type Fixture } from "#test/bench/wal-fixture.ts";
import { createWalPort } from "./wal.ts";

const cluster = decodeCluster({ metadata: { name: "pg", namespace: "app", uid: "4b0c6f0e" }, spec: {} });
const reference = { kind: "ObjectStore", name: "minio", serverName: "pg" } as const;

/** A port whose store is where `moveTo` said last; who works with the one before is told. */
async function portOf(fixture: Fixture, store: ObjectStore, changes: Partial<ArchiveLocation> = {}) {
  let supersede = new AbortController();
  const at = (next: ObjectStore) => fixture.locate({ ...changes, store: next, superseded: supersede.signal });
  let location = at(store);
  const fetcher = createFetcher({ spoolDirectory: join(fixture.root, "spool"), logger });
  let waiting: string | undefined;
  const port = createWalPort({
    pgdata: fixture.pgdata.path,
    archiver: fixture.archiver(),
    fetcher,
    locate: async () => location,
    onWaiting: (message) => (waiting = message),
    logger,
  });
  const moveTo = (next: ObjectStore): void => {
    const given = supersede;
    supersede = new AbortController();
    location = at(next);
    given.abort(new Error("object store minio has changed"));
  };
  return { port, moveTo, waiting: () => waiting };
}

const archiveOf = (path: string) => ({ cluster, path, store: reference, checkEmpty: false, skipEmptyCheck: false });

describe("a store that is corrected while a call waits for it", () => {
  it("gets the WAL of that very call", async () => {
    const fixture = await createFixture();
    const { port, moveTo } = await portOf(fixture, await frozenStore());
    const archived = port.archive(archiveOf(await fixture.pgdata.add(first)), never);
    moveTo(fixture.store);
    await archived;
    expect(await fixture.archived()).toEqual([`${first}.zst`]);
  });

  it("is not held up by uploads that hang in the one before", async () => {
    const fixture = await createFixture();
    let puts = 0;
    const hanging: ObjectStore = {
      ...fixture.store,
      put: async (key, body, options) => {
        if (key.endsWith("owner.json")) return fixture.store.put(key, body, options);
        puts++;
        const { promise, reject } = Promise.withResolvers<never>();
        options.signal.addEventListener("abort", () => reject(options.signal.reason));
        return promise;
      },
    };
    const { port, moveTo } = await portOf(fixture, hanging, { maxParallel: 1 });
    const archived = port.archive(archiveOf(await fixture.pgdata.add(first)), never);
    await eventually(() => puts > 0);
    moveTo({ ...fixture.store });
    await archived;
    expect(await fixture.archived()).toEqual([`${first}.zst`]);
  });

  it("gives its WAL to a recovery that waits", async () => {
    const fixture = await createFixture();
    await fixture.archiveAll([first]);
    await writeFile(join(fixture.pgdata.path, "recovery.signal"), "");
    const { port, moveTo } = await portOf(fixture, await frozenStore());
    const destination = join(fixture.root, "RECOVERYXLOG");
    const order = { cluster, name: first, destination, store: reference, mode: "recovery" } as const;
    const restored = port.restore(order, never);
    moveTo(fixture.store);
    await restored;
    expect((await readFile(destination)).equals(await fixture.contentOf(first))).toBe(true);
  });
});

it("answers a running instance within its 3 s also when the store's settings came late", async () => {
  const fixture = await createFixture();
  const location = fixture.locate({ store: await frozenStore() });
  const port = createWalPort({
    pgdata: fixture.pgdata.path,
    archiver: fixture.archiver(),
    fetcher: createFetcher({ spoolDirectory: join(fixture.root, "spool"), logger }),
    locate: (_, signal) => delay(2_000, signal).then(() => location),
    onWaiting: () => undefined,
    logger,
  });
  const destination = join(fixture.root, "RECOVERYXLOG");
  const begun = performance.now();
  const restored = port.restore({ cluster, name: first, destination, store: reference, mode: "running" }, never);
  await expect(restored).rejects.toMatchObject({
    kind: "Unavailable",
    message: expect.stringContaining("did not succeed within 3 s") as string,
  });
  expect(performance.now() - begun).toBeLessThan(4_700);
});
