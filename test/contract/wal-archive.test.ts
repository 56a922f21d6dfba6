// The WAL path on a real S3 server, and both ways with barman-cloud's own programs.
import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { walCompressions } from "#codec/compression.ts";
import { createFetcher, type Fetcher } from "#engine/archive/fetcher.ts";
import { barmanArchive } from "#engine/archive/barman-archive.ts";
import type { ArchiveLocation } from "#engine/archive/location.ts";
import type { StoreConfig } from "#store/config.ts";
import { openStore } from "#store/open.ts";
import type { ObjectStore } from "#store/store.ts";
import { segmentNames, walContent } from "#test/bench/wal-data.ts";
import { call, createFixture, first, logger, mib, never, text, type Fixture } from "#test/bench/wal-fixture.ts";
import { barmanPrograms } from "../cluster/barman.ts";
import { type Minio, startMinio } from "./minio.ts";

const run = promisify(execFile);
const segmentBytes = 16 * mib;
const compressions = ["none", "gzip", "zstd"] as const;

let minio: Minio;
let config: StoreConfig;
let store: ObjectStore;
let fixture: Fixture;

beforeAll(async () => {
  minio = await startMinio();
});
afterAll(() => minio.stop());
beforeEach(async () => {
  config = minio.config();
  store = await openStore(config);
  onTestFinished(() => store.close());
  fixture = await createFixture({ segmentBytes, store });
});

function newFetcher(): Fetcher {
  const fetcher = createFetcher({ spoolDirectory: join(fixture.root, "spool"), logger });
  onTestFinished(() => fetcher.close());
  return fetcher;
}

async function fetchContent(fetcher: Fetcher, name: string, location: ArchiveLocation): Promise<Buffer> {
  const destination = join(fixture.root, "RECOVERYXLOG");
  await fetcher.fetch({
    name,
    destination,
    archive: barmanArchive(location),
    segmentBytes,
    mode: "recovery",
    signal: never,
  });
  return readFile(destination);
}

describe("the WAL path on S3", () => {
  it.each(compressions)("archives a backlog and restores it, %s", async (compression) => {
    const { pgdata } = fixture;
    const names = ["00000002.history", ...segmentNames(first, 12, segmentBytes)];
    for (const name of names) await pgdata.add(name);
    const location = fixture.locate({ compression: walCompressions[compression] });
    const archiver = fixture.archiver();
    for (const name of names) {
      await archiver.archive(join(pgdata.walDirectory, name), location, call({ checkEmpty: true }));
      await pgdata.done(name);
    }
    const fetcher = newFetcher();
    for (const name of names)
      expect((await fetchContent(fetcher, name, location)).equals(walContent(name, pgdata))).toBe(true);
    const missing = fetchContent(fetcher, "00000003.history", location);
    await expect(missing).rejects.toMatchObject({ kind: "NotFound" });
    expect(await readdir(join(pgdata.walDirectory, "archive_status"))).toEqual([]);
  });

  it("never replaces an object: equal content succeeds, other content is refused, of two racing ones one wins", async () => {
    const { pgdata } = fixture;
    const location = fixture.locate();
    const path = await pgdata.add(first);
    await Promise.all([
      fixture.archiver().archive(path, location, call()),
      fixture.archiver().archive(path, location, call()),
    ]);
    await fixture.archiver().archive(path, location, call());
    await pgdata.add(first, { content: walContent("other", pgdata) });
    const conflict = fixture.archiver().archive(path, location, call());
    await expect(conflict).rejects.toMatchObject({ kind: "Conflict", message: text(`${first}.zst`) });
    expect((await fetchContent(newFetcher(), first, location)).equals(walContent(first, pgdata))).toBe(true);
  });

  it.each([
    ["a wrong key", { credentials: { kind: "keys", accessKeyId: "contract", secretAccessKey: "wrong" } }],
    ["a bucket that is not there", { bucket: "missing" }],
  ] as const)("takes %s for what it is, not for an absence", async (_, overrides) => {
    const wrong = await openStore({ ...config, ...overrides });
    onTestFinished(() => wrong.close());
    const location = fixture.locate({ store: wrong });
    const fetching = newFetcher().fetch({
      name: first,
      destination: join(fixture.root, "RECOVERYXLOG"),
      archive: barmanArchive(location),
      segmentBytes,
      mode: "running",
      signal: never,
    });
    await expect(fetching).rejects.toMatchObject({ kind: "StoreRefused" });
    const archiving = fixture.archiver().archive(await fixture.pgdata.add(first), location, call());
    await expect(archiving).rejects.toMatchObject({ kind: "StoreRefused" });
  });
});

describe("the WAL path while S3 is frozen", () => {
  it("says so in time, finishes what was under way when it goes on, and has lost nothing", async () => {
    const { pgdata } = fixture;
    const names = segmentNames(first, 6, segmentBytes);
    for (const name of names) await pgdata.add(name);
    const paths = names.map((name) => join(pgdata.walDirectory, name));
    const location = fixture.locate();
    const archiver = fixture.archiver({ callMsMax: 1_000 });
    await archiver.archive(paths[0]!, location, call());
    onTestFinished(() => minio.thaw());
    minio.freeze();
    const fetcher = newFetcher();
    const destination = join(fixture.root, "RECOVERYXLOG");
    const order = { name: first, destination, archive: barmanArchive(location), segmentBytes, signal: never };
    const running = fetcher.fetch({ ...order, mode: "running" });
    const recovering = fetcher.fetch({ ...order, destination: `${destination}2`, mode: "recovery" });
    await expect(archiver.archive(paths[5]!, location, call())).rejects.toMatchObject({
      kind: "Unavailable",
      message: text("within 1 s"),
    });
    await expect(running).rejects.toMatchObject({ kind: "Unavailable", message: text("within 3 s") });
    minio.thaw();
    await recovering;
    const patient = fixture.archiver();
    for (const path of paths) await patient.archive(path, location, call());
    for (const name of names)
      expect((await fetchContent(fetcher, name, location)).equals(walContent(name, pgdata))).toBe(true);
  });
});

describe("the WAL path beside barman-cloud", () => {
  /** Runs one of barman-cloud's programs on the archive that `fixture.locate()` stands for. */
  const barman = (program: string, options: readonly string[], rest: readonly string[]) =>
    run(
      join(barmanPrograms(), program),
      [
        ...options,
        "--endpoint-url",
        minio.endpoint,
        `s3://${config.bucket}/${config.prefix.replace(/\/$/, "")}`,
        "pg",
        ...rest,
      ],
      {
        env: {
          ...process.env,
          ...(config.credentials.kind === "keys" && {
            AWS_ACCESS_KEY_ID: config.credentials.accessKeyId,
            AWS_SECRET_ACCESS_KEY: config.credentials.secretAccessKey,
          }),
          AWS_DEFAULT_REGION: config.region,
        },
      },
    );

  it.each(compressions)("lets barman-cloud-wal-restore read what it stored, %s", async (compression) => {
    const { pgdata } = fixture;
    const names = [first, "00000002.history"];
    await fixture.archiveAll(names, fixture.locate({ compression: walCompressions[compression] }));
    for (const name of names) {
      const restored = join(fixture.root, "restored");
      await barman("barman-cloud-wal-restore", [], [name, restored]);
      expect((await readFile(restored)).equals(walContent(name, pgdata))).toBe(true);
    }
  });

  it.each(compressions)(
    "reads, and takes for stored, what barman-cloud-wal-archive stored, %s",
    async (compression) => {
      const { pgdata } = fixture;
      const [one, two] = segmentNames(first, 2, segmentBytes);
      const options = compression === "none" ? [] : [`--${compression}`];
      for (const name of [one!, two!]) await barman("barman-cloud-wal-archive", options, [await pgdata.add(name)]);
      // Another compression than barman's: its objects are found all the same, and no second copy is made.
      const location = fixture.locate({ compression: walCompressions[compression === "gzip" ? "zstd" : "gzip"] });
      await fixture.archiveAll([one!], location);
      expect(await fixture.archived()).toEqual(
        [one!, two!].map((name) => name + walCompressions[compression].extension),
      );
      await writeFile(join(pgdata.walDirectory, two!), walContent("other", pgdata));
      const conflict = fixture.archiver().archive(join(pgdata.walDirectory, two!), location, call());
      await expect(conflict).rejects.toMatchObject({ kind: "Conflict", message: text(pgdata.systemId) });
      const fetcher = newFetcher();
      for (const name of [one!, two!])
        expect((await fetchContent(fetcher, name, location)).equals(walContent(name, pgdata))).toBe(true);
    },
  );
});
