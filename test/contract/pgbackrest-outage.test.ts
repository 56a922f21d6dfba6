// WAL of a Stanza while one of its repositories is away or hangs: these tests wait for the time limits of pgBackRest and of
// the product, so they have a file of their own.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { decodeCluster } from "#cnpg/cluster.ts";
import { createFetcher } from "#engine/archive/fetcher.ts";
import { archiving, cluster, freeMutex, logger, mib, never, useStanzaWal } from "./pgbackrest-wal-fixture.ts";
import { createStanzaWalPort } from "../../src/cmd/instance/stanza-wal.ts";
import { startMinio } from "./minio.ts";

const fixture = useStanzaWal(12);
const text = (pattern: RegExp | string): string => expect.stringMatching(pattern) as string;
const absent = "0000000100000000000000F0";

describe("a repository that is away", () => {
  it("gets what it missed when it is back, while the others have all that is ready", async () => {
    const [first, second, ...others] = fixture.segments;
    const { away, stanza } = await withOneAway();
    await fixture.ready([first!, second!, ...others]);
    const side = await fixture.side(stanza, { config: { ...archiving(), variables: { PGBACKREST_IO_TIMEOUT: "1" } } });
    await side.archive(first!);
    away.freeze();
    await expect(side.archive(second!)).rejects.toMatchObject({
      kind: "Unavailable",
      message: text(/ to stanza main-\d+ \(Stanza main\), where repository 2 \(s3:\S+\) fails, (failed|did not)/),
    });
    const only1 = await fixture.side({ ...stanza, repositories: stanza.repositories.slice(0, 1) });
    await expect.poll(() => only1.fetch(others.at(-1)!).catch(() => undefined), { timeout: 60_000 }).toBeDefined();
    expect(side.archiver.status()).toMatchObject({ failures: 1, ready: 11 });
    away.thaw();
    await side.archive(second!);
    for (const name of others) await side.archive(name);
    const only2 = await fixture.side({ ...stanza, repositories: stanza.repositories.slice(1) });
    for (const name of fixture.segments) await only2.fetch(name);
  });
});

describe("repositories of which one hangs", () => {
  it("keeps WAL out of no other one for long", async () => {
    const { away, stanza } = await withOneAway();
    const [first, ...others] = fixture.segments;
    await fixture.ready(fixture.segments);
    const side = await fixture.side(stanza, { config: archiving({ async: true }) });
    await side.archive(first!);
    const late = await fixture.makeWal(fixture.primary, 1);
    await fixture.ready([...others, ...late]);
    away.freeze();
    const asked = side.archive(late[0]!).catch((error: unknown) => error);
    const only1 = await fixture.side({ ...stanza, repositories: stanza.repositories.slice(0, 1) });
    await expect.poll(() => only1.fetch(late[0]!).catch(() => undefined), { timeout: 50_000 }).toBeDefined();
    expect(await asked).toMatchObject({ kind: "Unavailable", message: text(/repository 2 \(s3:/) });
  });

  it("has a file fetched from the others at once, and proves no absence", async () => {
    const { away, stanza } = await withOneAway();
    const [first, second] = fixture.segments;
    await fixture.ready([first!, second!]);
    const side = await fixture.side(stanza);
    await side.archive(first!);
    away.freeze();
    await side.fetch(first!, "running");
    await expect(side.fetch(absent, "running")).rejects.toMatchObject({ kind: "Unavailable" });
    const turned = { ...stanza, repositories: stanza.repositories.toReversed() };
    await (await fixture.side(turned)).fetch(first!, "running");
  });

  it("gives WAL up in that one alone when the queue outgrows its limit, and says so", async () => {
    const { away, stanza } = await withOneAway();
    const [first, second, third, ...others] = fixture.segments;
    await fixture.ready(fixture.segments);
    const limit = { pushQueueMax: "64MiB", pushQueueBytes: 64 * mib };
    const config = { ...archiving(limit), variables: { PGBACKREST_IO_TIMEOUT: "1" } };
    const side = await fixture.side(stanza, { config });
    await side.archive(first!);
    away.freeze();
    await expect(side.archive(second!)).rejects.toMatchObject({ kind: "Unavailable" });
    expect(side.archiver.status().gaps).toEqual([]);
    for (const name of [second!, third!]) await side.archive(name);
    expect(side.archiver.status().gaps).toMatchObject([
      { segment: second, repositories: [2] },
      { segment: third, repositories: [2] },
    ]);
    const only1 = await fixture.side({ ...stanza, repositories: stanza.repositories.slice(0, 1) });
    for (const name of [second!, third!]) await only1.fetch(name);
    away.thaw();
    // The limit is not reached any more.
    await fixture.ready(others.slice(0, 2));
    await side.archive(others[0]!);
    const { gaps } = side.archiver.status();
    expect(gaps).toHaveLength(2);
    // A sidecar that starts anew tells them before anybody calls it, and goes on telling them.
    const again = await fixture.side(stanza, { config, scratch: side.scratch });
    expect(again.archiver.status().gaps).toEqual(gaps);
    await again.archive(others[1]!);
    expect(again.archiver.status().gaps).toEqual(gaps);
  });
});

describe("a call that waits", () => {
  it("of a recovery, gets its file when the repository is back", async () => {
    const { away, stanza } = await withOneAway();
    const only2 = { ...stanza, repositories: stanza.repositories.slice(1) };
    const [first] = fixture.segments;
    await fixture.ready([first!]);
    const side = await fixture.side(only2);
    await side.archive(first!);
    away.freeze();
    const fetching = side.fetch(first!, "recovery");
    await expect.poll(() => side.commands.at(-1)).toBe("archive-get");
    away.thaw();
    expect((await readFile(await fetching)).equals(await readFile(side.pathOf(first!)))).toBe(true);
    await expect(side.fetch(absent, "recovery")).rejects.toMatchObject({ kind: "NotFound" });
  });

  it("to archive, goes on where the Stanza says that it is now", async () => {
    const { away, stanza } = await withOneAway();
    const [first] = fixture.segments;
    await fixture.ready([first!]);
    away.freeze();
    const wrong = await fixture.side({ ...stanza, repositories: stanza.repositories.slice(1) });
    const correct = { ...stanza, repositories: stanza.repositories.slice(0, 1) };
    let now = wrong;
    const port = createStanzaWalPort({
      pgdata: fixture.primary.pgdata,
      archiver: wrong.archiver,
      fetcher: createFetcher({ spoolDirectory: join(wrong.scratch, "fetched"), logger }),
      stanzas: {
        get: async () => {
          const { pgbackrest: store, superseded = never } = now.target;
          return { store, superseded, config: store.config, generation: 1 };
        },
        invalidate: () => undefined,
      },
      mutexOf: () => freeMutex,
      onWaiting: () => undefined,
      logger,
    });
    const archived = port.archive(
      {
        cluster: decodeCluster({ metadata: cluster, spec: {} }),
        path: wrong.pathOf(first!),
        store: { kind: "Stanza", name: "main" },
        checkEmpty: true,
        skipEmptyCheck: false,
      },
      never,
    );
    await expect.poll(() => wrong.commands).toEqual(["info"]);
    now = await wrong.reopen(correct, undefined, (next) => (now = next));
    await archived;
    await (await fixture.side(correct)).fetch(first!);
  });
});

/** A stanza whose second repository a test can freeze. */
async function withOneAway() {
  const away = await startMinio({ tls: true });
  onTestFinished(async () => {
    away.thaw();
    await away.stop();
  });
  const { pgbackrest } = fixture;
  const repositories = [pgbackrest.newRepository(), pgbackrest.newRepository({ minio: away })];
  return { away, stanza: pgbackrest.newStanza(repositories) };
}
