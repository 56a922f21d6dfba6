// The port over repositories that pgBackRest filled by hand, in the versions that are supported. Every question is asked
// through the product's own way of running pgBackRest.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { checkBackup } from "#engine/verify/check.ts";
import { expireRepository } from "#repository/pgbackrest/expire.ts";
import { readInfo } from "#repository/pgbackrest/info.ts";
import { openPgbackrest, type Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { catalogByRepository } from "#repository/pgbackrest/catalog.ts";
import { openPgbackrestRepository } from "#repository/pgbackrest/repository.ts";
import type { S3Repository, StanzaConfig } from "#repository/pgbackrest/config.ts";
import { verifyRepository } from "#repository/pgbackrest/verify.ts";
import { openStore } from "#store/open.ts";
import type { ObjectStore } from "#store/store.ts";
import { pgbackrestPrograms, type PgbackrestProgram } from "../cluster/pgbackrest.ts";
import { poll, signal } from "./backup-fixture.ts";
import { engineVersions } from "./pgbackrest-engine.ts";
import { imageProgram, usePgbackrest, type ByHand, type TestStanza } from "./pgbackrest-fixture.ts";
import { repositorySuite, writeSegment, type TestArchive } from "./repository.suite.ts";

const fixture = usePgbackrest();

async function open(config: StanzaConfig, program: PgbackrestProgram = imageProgram()): Promise<Pgbackrest> {
  const scratch = await mkdtemp(join(tmpdir(), "holdfast-pgbackrest-"));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
  return await openPgbackrest(config, { scratch, program: program.program });
}

/** Objects of the first repository. */
async function storeOf({ repositories }: TestStanza, index = 0): Promise<ObjectStore> {
  const { minio, path } = repositories[index]!;
  const store = await openStore(minio.config({ prefix: `${path.slice(1)}/` }));
  onTestFinished(() => store.close());
  return store;
}

const keysUnder = async (store: ObjectStore, prefix: string): Promise<readonly string[]> =>
  (await Array.fromAsync(store.list(prefix, { signal }))).flatMap((entry) =>
    entry.kind === "object" ? [entry.key] : [],
  );

interface Opened extends TestArchive {
  readonly hand: ByHand;
  readonly stanza: TestStanza;
  readonly store: ObjectStore;
  readonly pgbackrest: Pgbackrest;
}

async function openArchive(
  program: PgbackrestProgram,
  stanza: TestStanza = fixture.newStanza(),
  variables: Readonly<Record<string, string>> = {},
): Promise<Opened> {
  const hand = await fixture.byHand({ program, stanza, variables });
  const store = await storeOf(stanza);
  // These tests may run as root, which pgBackRest refuses from 2.59 on.
  const config = fixture.stanzaConfig(stanza, { variables: { PGBACKREST_ALLOW_ROOT: "y" } });
  const { primary } = fixture;
  const server = stanza.name;
  const pgbackrest = await open(config, program);
  const waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
  const allArchived = () => poll(async () => (await primary.value(waiting)) === "0");
  return {
    hand,
    stanza,
    store,
    pgbackrest,
    repository: openPgbackrestRepository(pgbackrest),
    server,
    primary,
    begin: async () => {
      await hand.run("stanza-create");
      await fixture.archiveWith(hand.archiveCommand);
    },
    backup: async () => {
      await hand.run("backup", "--type=full");
      await allArchived();
      return (await readInfo(pgbackrest, { signal, deadlineMs: 30_000 })).backups.at(-1)!.label;
    },
    archiveAll: async () => {
      await primary.value("SELECT pg_walfile_name(pg_switch_wal())");
      await allArchived();
    },
    putHistory: async (timeline, content) => {
      const name = `${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`;
      const [archiveInfo] = await keysUnder(store, `archive/${server}/archive.info`);
      expect(archiveInfo).toBeDefined();
      await store.put(`archive/${server}/15-1/${name}`, Buffer.from(content), { signal });
    },
    loseSegment: async (name) => {
      const keys = await keysUnder(store, `archive/${server}/15-1/${name.slice(0, 16)}/${name}-`);
      expect(keys).toHaveLength(1);
      await store.delete(keys, { signal });
    },
    loseData: async (id) => {
      const keys = await keysUnder(store, `backup/${server}/${id}/`);
      await store.delete(
        keys.filter((key) => !key.includes("backup.manifest")),
        { signal },
      );
    },
    spoilMetadata: async (id) => {
      for (const copy of ["", ".copy"])
        await store.put(`backup/${server}/${id}/backup.manifest${copy}`, Buffer.from("[backrest]\n"), { signal });
    },
    unreachable: async () => {
      const repositories = config.repositories.map((repository) => ({
        ...repository,
        endpoint: "https://127.0.0.1:1",
      }));
      return openPgbackrestRepository(await open({ ...config, repositories }, program), { infoDeadlineMs: 12_000 });
    },
  };
}

for (const program of engineVersions) {
  repositorySuite(`pgbackrest ${program.version}`, () => openArchive(program));
}

describe("the repositories of a stanza", () => {
  it("show the chain of backups, and give up none that another needs", async () => {
    const archive = await openArchive(imageProgram());
    const { repository, server, hand, primary } = archive;
    await archive.begin();
    const systemId = await primary.value("SELECT system_identifier FROM pg_control_system()");
    expect(await repository.owner(server, { signal })).toEqual({ systemId });
    const marked = { namespace: "default", name: "before", uid: "1" };
    const mark = JSON.stringify({ systemID: "1", cluster: marked, since: "2026-11-21T09:15:00.000Z" });
    await archive.store.put(`holdfast/${server}.owner.json`, Buffer.from(mark), { signal });
    expect(await repository.owner(server, { signal })).toMatchObject({ systemId, cluster: marked });
    const cluster = "--annotation=holdfast-cluster=default/pg/7a1e2d9c-0000-4000-8000-000000000000";
    await hand.run("backup", "--type=full", "--annotation=holdfast-backup=sunday", cluster);
    await hand.run("backup", "--type=diff", "--annotation=holdfast-hold=audit");
    await hand.run("backup", "--type=incr");
    await archive.archiveAll();
    const { backups } = await repository.catalog(server, { signal });
    const [full, diff, incr] = backups as [(typeof backups)[0], (typeof backups)[0], (typeof backups)[0]];
    expect(full).toMatchObject({ type: "full", name: "sunday", repository: 1, postgresMajor: 15 });
    expect(full).not.toHaveProperty("prior");
    expect(diff).toMatchObject({ type: "diff", prior: full.id, references: [full.id] });
    expect(incr).toMatchObject({ type: "incr", prior: diff.id });
    expect(incr.storedBytes).toBeLessThan(full.storedBytes! / 2);
    expect(await checkBackup({ repository, server, id: incr.id, signal })).toMatchObject({ kind: "whole" });
    expect(await repository.holds(server, diff.id, { signal })).toHaveLength(1);
    expect(await repository.holds(server, full.id, { signal })).toEqual([]);
    expect(await repository.owner(server, { signal })).toEqual({
      systemId,
      cluster: { namespace: "default", name: "pg", uid: "7a1e2d9c-0000-4000-8000-000000000000" },
      since: full.beginTime,
    });
    const remove = (id: string) => repository.removeBackup(server, id, { signal });
    await expect(remove(full.id)).rejects.toMatchObject({ kind: "InUse", message: expect.stringContaining(diff.id) });
    await expect(remove(diff.id)).rejects.toMatchObject({ kind: "InUse", message: expect.stringContaining(incr.id) });
    expect(await remove(incr.id)).toBe(1);
    expect(await remove(diff.id)).toBe(1);
    await expect(remove(full.id)).rejects.toMatchObject({ message: expect.stringContaining("the only full backup") });
    expect((await repository.catalog(server, { signal })).backups.map(({ id }) => id)).toEqual([full.id]);
  });

  it.each([
    ["none", undefined],
    ["zst", undefined],
    ["lz4", "compression lz4"],
    ["bz2", "compression bzip2"],
  ])("are read when they are encrypted, and WAL is stored with %s", async (compression, unreadable) => {
    const repositories = [fixture.newRepository({ passphrase: "correct horse" })];
    const stanza = fixture.newStanza(repositories);
    const archive = await openArchive(imageProgram(), stanza, { PGBACKREST_COMPRESS_TYPE: compression });
    const { server } = archive;
    await archive.begin();
    const name = await writeSegment(archive);
    await archive.hand.run("backup", "--type=full");
    // Each version reads what the image's wrote.
    for (const program of pgbackrestPrograms()) {
      const repository = openPgbackrestRepository(await open(archive.pgbackrest.config, program));
      const newest = (await repository.newestWal(server, { signal }))!;
      expect(newest.name >= name).toBe(true);
      if (unreadable === undefined) expect(newest).not.toHaveProperty("commitTimeUnknown");
      else expect(newest.commitTimeUnknown).toContain(unreadable);
      expect((await repository.catalog(server, { signal })).backups).toHaveLength(1);
      expect(await repository.owner(server, { signal })).toMatchObject({ systemId: expect.any(String) });
    }
    const wrong = fixture.stanzaConfig({ ...stanza, repositories: [{ ...repositories[0]!, passphrase: "wrong" }] });
    const away = openPgbackrestRepository(await open(wrong));
    for (const ask of [() => away.catalog(server, { signal }), () => away.owner(server, { signal })])
      await expect(ask()).rejects.toMatchObject({ name: "StoreError", kind: "AccessDenied" });
    expect(catalogByRepository(await away.info({ signal }))).toMatchObject([{ key: 1, state: "Refused" }]);
  });

  it("say what is wrong with them", async () => {
    const stanza = fixture.newStanza();
    const archive = await openArchive(imageProgram(), stanza);
    await archive.begin();
    const { server } = archive;
    const { config } = archive.pgbackrest;
    const [repository] = config.repositories as [(typeof config.repositories)[0]];
    const [credentials] = config.credentials.each;
    const each = (over: object) => ({ kind: "repositories" as const, each: [{ ...credentials, ...over }] });
    const { ca: _, ...untrusted } = repository;
    const wrong: readonly (readonly [Partial<StanzaConfig>, string, string | undefined])[] = [
      [{ credentials: each({ secretAccessKey: "wrong" }) }, "Refused", "AccessDenied"],
      [{ credentials: each({ accessKeyId: "nobody" }) }, "Refused", "AccessDenied"],
      [{ repositories: [{ ...(repository as S3Repository), bucket: "nowhere" }] }, "Unknown", "NoSuchBucket"],
      [{ repositories: [untrusted] }, "Unreachable", "TLSVerificationFailed"],
      [{ repositories: [{ ...repository, endpoint: "https://nowhere.invalid" }] }, "Unreachable", "DNSFailure"],
      [{ repositories: [{ ...repository, path: "/elsewhere" }] }, "NoStanza", undefined],
    ];
    for (const program of pgbackrestPrograms()) {
      await Promise.all(
        wrong.map(async ([over, state, kind]) => {
          const opened = openPgbackrestRepository(await open({ ...config, ...over }, program), {
            infoDeadlineMs: 12_000,
          });
          const [said] = catalogByRepository(await opened.info({ signal }));
          expect(said, `${program.version} ${JSON.stringify(said)}`).toMatchObject({ state });
          if (kind === undefined) expect(await opened.servers({ signal })).toEqual([]);
          else await expect(opened.catalog(server, { signal })).rejects.toMatchObject({ name: "StoreError", kind });
        }),
      );
    }
  });

  it("answer together, and each for itself when one is away", async () => {
    const stanza = fixture.newStanza([fixture.newRepository(), fixture.newRepository()]);
    const archive = await openArchive(imageProgram(), stanza);
    const { repository, server, hand, store } = archive;
    await archive.begin();
    await hand.run("backup", "--type=full", "--repo=1");
    await hand.run("backup", "--type=full", "--repo=2");
    const [first, last] = [await writeSegment(archive), await writeSegment(archive)];
    const { backups } = await repository.catalog(server, { signal });
    expect(backups.map((backup) => backup.repository)).toEqual([1, 2]);
    // What one of them has is there.
    await archive.loseSegment(first);
    const range = { first, last, segmentBytes: 16 * 1024 * 1024 };
    expect(await repository.missingSegments(server, range, { signal })).toEqual({ names: [], count: 0 });

    const config = archive.pgbackrest.config;
    const [one, two] = config.repositories as [(typeof config.repositories)[0], (typeof config.repositories)[0]];
    const pgbackrest = await open({
      ...config,
      repositories: [one, { ...two, endpoint: "https://127.0.0.1:1" }],
    });
    const half = openPgbackrestRepository(pgbackrest, { infoDeadlineMs: 12_000 });
    const each = catalogByRepository(await half.info({ signal }));
    expect(each).toMatchObject([
      { key: 1, state: "Ok", catalog: { backups: [{ id: backups[0]!.id }] } },
      { key: 2, state: "Unreachable", problem: { kind: "EndpointUnreachable" } },
    ]);
    expect(each[1]).not.toHaveProperty("catalog");
    await Promise.all([
      expect(half.catalog(server, { signal })).rejects.toMatchObject({ kind: "EndpointUnreachable" }),
      // Found in the one that answers, so nothing is missing; what it has not may be in the other.
      expect(half.missingFiles(server, [last], { signal })).resolves.toEqual([]),
      expect(half.missingFiles(server, [first], { signal })).rejects.toMatchObject({ name: "StoreError" }),
    ]);
    const only = openPgbackrestRepository(pgbackrest, { only: [1] });
    expect((await only.catalog(server, { signal })).backups).toHaveLength(1);
    expect(await only.missingFiles(server, [first, last], { signal })).toEqual([first]);
    expect(await keysUnder(store, `backup/${server}/${backups[1]!.id}`)).toEqual([]);
  });

  it("expire by their rules: seen before it is done, and never what must stay", async () => {
    const archive = await openArchive(imageProgram());
    const { repository, server } = archive;
    await archive.begin();
    const [first, second, third] = [await archive.backup(), await archive.backup(), await archive.backup()];
    const { config } = archive.pgbackrest;
    const withRules = async (retention: NonNullable<(typeof config.repositories)[0]["retention"]>) =>
      open({ ...config, repositories: config.repositories.map((one) => ({ ...one, retention })) });
    const ids = async () => (await repository.catalog(server, { signal })).backups.map(({ id }) => id);
    const common = { repository: 1, signal } as const;

    expect(await expireRepository(archive.pgbackrest, { ...common, mode: "Enforce" })).toMatchObject({
      kind: "skipped",
      reason: "NoRetention",
    });
    const two = await withRules({ full: 2 });
    const preview = await expireRepository(two, { ...common, mode: "Preview" });
    expect(preview).toMatchObject({ kind: "planned", expired: { backups: [{ id: first, reason: "Full" }] } });
    expect(await ids()).toEqual([first, second, third]);
    const keep = (id: string) => (id === first ? "it is the last that was verified" : undefined);
    expect(await expireRepository(two, { ...common, mode: "Enforce", keep })).toMatchObject({
      kind: "refused",
      why: expect.stringContaining("last that was verified"),
    });
    expect(await expireRepository(two, { ...common, mode: "Enforce" })).toMatchObject({
      kind: "removed",
      expired: { backups: [{ id: first }], wal: [{ archiveId: "15-1" }] },
    });
    expect(await ids()).toEqual([second, third]);
    expect(await expireRepository(two, { ...common, mode: "Enforce" })).toMatchObject({
      kind: "removed",
      expired: { backups: [], wal: [], leftovers: [] },
    });
    const away = await open({
      ...two.config,
      repositories: two.config.repositories.map((one) => ({ ...one, endpoint: "https://127.0.0.1:1" })),
    });
    expect(await expireRepository(away, { ...common, mode: "Enforce" })).toMatchObject({ reason: "NotTrusted" });
  });

  it.each(pgbackrestPrograms())("are verified file by file, by $version", async (program) => {
    const archive = await openArchive(program);
    await archive.begin();
    const id = await archive.backup();
    const verify = () => verifyRepository(archive.pgbackrest, { repository: 1, deadlineMs: 60_000, signal });
    expect(await verify()).toMatchObject({ state: "Passed", backups: [{ id, state: "valid" }] });
    const [file] = (await keysUnder(archive.store, `backup/${archive.server}/${id}/pg_data/base/`)).slice(-1);
    await archive.store.delete([file!], { signal });
    expect(await verify()).toMatchObject({ state: "Failed", message: `backup ${id} is damaged (1 missing)` });
  });
});
