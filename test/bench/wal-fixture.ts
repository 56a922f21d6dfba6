// What the tests of the WAL path share: a data directory and a store in a temporary folder, and a way to look into the
// archive that does not go through the code under test.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pino } from "pino";
import { expect, onTestFinished } from "vitest";
import { byExtension, walCompressions } from "#codec/compression.ts";
import { createArchiver, type Archiver, type ArchiveCall, type ArchiverOptions } from "#engine/archive/archiver.ts";
import type { ArchiveLocation } from "#engine/archive/location.ts";
import { parseWalKey, walsPrefix } from "#repository/barman/layout.ts";
import { StoreError, type StoreErrorKind } from "#store/errors.ts";
import { openFilesystemStore } from "#store/filesystem.ts";
import { openStore } from "#store/open.ts";
import type { ObjectStore } from "#store/store.ts";
import { createPgdata, type Pgdata } from "./wal-data.ts";

export const first = "000000010000000000000001";
export const mib = 1024 * 1024;
export const clusterIdentity = { namespace: "app", name: "pg", uid: "4b0c6f0e-0000-4000-8000-000000000001" };
export const logger = pino({ level: "silent" });
export const never = new AbortController().signal;

export interface Fixture {
  readonly root: string;
  readonly pgdata: Pgdata;
  readonly store: ObjectStore;
  locate(changes?: Partial<ArchiveLocation>): ArchiveLocation;
  archiver(options?: Partial<ArchiverOptions> & { data?: Pgdata }): Archiver;
  /** Names of the archive's WAL files with their suffixes. */
  archived(server?: string): Promise<string[]>;
  /** What the archive holds under a WAL file's name, decompressed. */
  contentOf(name: string, server?: string): Promise<Buffer>;
  /** Archives WAL files through an archiver. */
  archiveAll(names: readonly string[], location?: ArchiveLocation): Promise<void>;
  put(key: string, body: Uint8Array | string, metadata?: Record<string, string>): Promise<void>;
}

/** A folder of its own for one test, removed after it. */
export async function createFixture(options: { segmentBytes?: number; store?: ObjectStore } = {}): Promise<Fixture> {
  const root = await mkdtemp(join(tmpdir(), "holdfast-wal-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, "store"));
  const { segmentBytes = mib, store = openFilesystemStore(join(root, "store")) } = options;
  const pgdata = await createPgdata(join(root, "pgdata"), { segmentBytes });
  const objects = async (server: string) => {
    const found: { key: string; name: string; extension: string }[] = [];
    for await (const entry of store.list(walsPrefix(server), { signal: never })) {
      const parsed = entry.kind === "object" ? parseWalKey(server, entry.key) : undefined;
      if (entry.kind === "object" && parsed !== undefined) found.push({ key: entry.key, ...parsed });
    }
    return found;
  };
  const locate = (changes: Partial<ArchiveLocation> = {}): ArchiveLocation => ({
    store,
    storeName: "minio",
    server: "pg",
    compression: walCompressions.zstd,
    maxParallel: 4,
    ...changes,
  });
  const archiver: Fixture["archiver"] = ({ data = pgdata, ...changes } = {}) => {
    const { path, walDirectory } = data;
    const made = createArchiver({ pgdata: path, walDirectory, logger, ...changes });
    onTestFinished(() => made.close(AbortSignal.timeout(1)));
    return made;
  };
  return {
    root,
    pgdata,
    store,
    locate,
    archiver,
    archived: async (server = "pg") => (await objects(server)).map(({ name, extension }) => name + extension).sort(),
    async contentOf(name, server = "pg") {
      const found = (await objects(server)).find((object) => object.name === name);
      if (found === undefined) throw new Error(`${name} is not in the archive`);
      const { body } = await store.get(found.key, { signal: never });
      return buffer(body.pipe(byExtension(found.extension).decompressStream()));
    },
    async archiveAll(names, location = locate()) {
      const filler = archiver();
      for (const name of names) await filler.archive(await pgdata.add(name), location, call());
    },
    put: (key, body, metadata = {}) => store.put(key, Buffer.from(body), { signal: never, metadata }),
  };
}

export const call = (changes: Partial<ArchiveCall> = {}): ArchiveCall => ({
  cluster: clusterIdentity,
  checkEmpty: false,
  skipCheck: false,
  signal: never,
  ...changes,
});

export const keyOf = (name: string, extension = ".zst"): string => `pg/wals/${name.slice(0, 16)}/${name}${extension}`;

/** Polls until the condition holds; fails the test after a few seconds. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(condition, { timeout: 5_000, interval: 10 }).toBe(true);
}

export const text = (pattern: RegExp | string): string => expect.stringMatching(pattern) as string;

/** Accepts connections and never answers. */
export async function frozenStore(): Promise<ObjectStore> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const frozen = await openStore({
    provider: "s3",
    bucket: "backups",
    prefix: "",
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { kind: "keys", accessKeyId: "key", secretAccessKey: "secret" },
    transfer: {},
    wal: { compression: "zstd", maxParallel: 4 },
    data: { compression: "none", jobs: 1, immediateCheckpoint: true },
  });
  onTestFinished(() => frozen.close());
  return frozen;
}

/** A store that fails its reads with `kind` while `state.failing`, and counts them. */
export function failing(store: ObjectStore, kind: StoreErrorKind) {
  const state = { failing: true, gets: 0, heads: 0, lists: 0 };
  const fail = (): void => {
    if (state.failing) throw new StoreError(kind, `injected ${kind}`);
  };
  const failingStore: ObjectStore = {
    ...store,
    get: async (key, options) => {
      state.gets++;
      fail();
      return store.get(key, options);
    },
    head: async (key, options) => {
      state.heads++;
      fail();
      return store.head(key, options);
    },
    list: (prefix, options) => {
      state.lists++;
      fail();
      return store.list(prefix, options);
    },
  };
  return { state, store: failingStore };
}
