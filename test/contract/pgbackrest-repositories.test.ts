// What only repositories of pgBackRest can show of the port: chains, encryption, several of them, retention, verification.
import { describe, expect, it } from "vitest";
import { checkBackup } from "#engine/verify/check.ts";
import { defaultSegmentBytes, nextSegment, previousSegment } from "#postgres/segment.ts";
import { catalogByRepository } from "#repository/pgbackrest/catalog.ts";
import { expireRepository } from "#repository/pgbackrest/expire.ts";
import { openFiles } from "#repository/pgbackrest/files.ts";
import { openPgbackrestRepository } from "#repository/pgbackrest/repository.ts";
import type { S3Repository, StanzaConfig } from "#repository/pgbackrest/config.ts";
import { verifyRepository } from "#repository/pgbackrest/verify.ts";
import { listMissingWal } from "#repository/pgbackrest/wal-listing.ts";
import { recoveryWindow } from "#repository/recovery-window.ts";
import { pgbackrestPrograms } from "../cluster/pgbackrest.ts";
import { signal } from "./backup-fixture.ts";
import { keysUnder, openArchive, openStanza, soon } from "./pgbackrest-archive.ts";
import { usePgbackrest } from "./pgbackrest-fixture.ts";
import { writeSegment } from "./repository.suite.ts";

const fixture = usePgbackrest();

describe("the repositories of a stanza", () => {
  it("show the chain of backups, and give up none that another needs", async () => {
    const archive = await openArchive(fixture, { isQuick: true });
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
    ["gz", undefined],
    ["zst", undefined],
    ["lz4", "compression lz4"],
    ["bz2", "compression bzip2"],
  ])("are read when they are encrypted, and WAL is stored with %s", async (compression, unreadable) => {
    const repositories = [fixture.newRepository({ passphrase: "correct horse" })];
    const stanza = fixture.newStanza(repositories);
    const archive = await openArchive(fixture, {
      stanza,
      isQuick: true,
      variables: { PGBACKREST_COMPRESS_TYPE: compression },
    });
    const { server } = archive;
    await archive.begin();
    const name = await writeSegment(archive);
    await archive.hand.run("backup", "--type=full");
    // Each version reads what the image's wrote.
    for (const program of pgbackrestPrograms()) {
      const repository = openPgbackrestRepository(await openStanza(archive.pgbackrest.config, program));
      const newest = (await repository.newestWal(server, { signal }))!;
      expect(newest.name >= name).toBe(true);
      if (unreadable === undefined) expect(newest).not.toHaveProperty("commitTimeUnknown");
      else expect(newest.commitTimeUnknown).toContain(unreadable);
      expect((await repository.catalog(server, { signal })).backups).toHaveLength(1);
      expect(await repository.owner(server, { signal })).toMatchObject({ systemId: expect.any(String) });
    }
    const wrong = fixture.stanzaConfig({ ...stanza, repositories: [{ ...repositories[0]!, passphrase: "wrong" }] });
    const away = openPgbackrestRepository(await openStanza(wrong));
    for (const ask of [() => away.catalog(server, { signal }), () => away.owner(server, { signal })])
      await expect(ask()).rejects.toMatchObject({ name: "StoreError", kind: "AccessDenied" });
    expect(catalogByRepository(await away.info({ signal }))).toMatchObject([{ key: 1, state: "Refused" }]);
  });

  it("say what is wrong with them", async () => {
    const stanza = fixture.newStanza();
    const archive = await openArchive(fixture, { stanza, isQuick: true });
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
    const cases = pgbackrestPrograms().flatMap((program) => wrong.map((one) => ({ program, one })));
    await Promise.all(
      cases.map(async ({ program, one: [over, state, kind] }) => {
        const opened = openPgbackrestRepository(await openStanza({ ...config, ...over }, program), soon);
        const [[said]] = await Promise.all([
          opened.info({ signal }).then(catalogByRepository),
          kind === undefined
            ? expect(opened.servers({ signal })).resolves.toEqual([])
            : expect(opened.catalog(server, { signal })).rejects.toMatchObject({ name: "StoreError", kind }),
        ]);
        expect(said, `${program.version} ${JSON.stringify(said)}`).toMatchObject({ state });
      }),
    );
  });

  it("answer together, and each for itself when one is away", async () => {
    const stanza = fixture.newStanza([fixture.newRepository(), fixture.newRepository()]);
    const archive = await openArchive(fixture, { stanza, isQuick: true });
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
    const pgbackrest = await openStanza({
      ...config,
      repositories: [one, { ...two, endpoint: "https://127.0.0.1:1" }],
    });
    const half = openPgbackrestRepository(pgbackrest, soon);
    const [each] = await Promise.all([
      half.info({ signal }).then(catalogByRepository),
      expect(half.catalog(server, { signal })).rejects.toMatchObject({ kind: "EndpointUnreachable" }),
      // Found in the one that answers, so nothing is missing; what it has not may be in the other.
      expect(half.missingFiles(server, [last], { signal })).resolves.toEqual([]),
      expect(half.missingFiles(server, [first], { signal })).rejects.toMatchObject({ name: "StoreError" }),
    ]);
    expect(each).toMatchObject([
      { key: 1, state: "Ok", catalog: { backups: [{ id: backups[0]!.id }] } },
      { key: 2, state: "Unreachable", problem: { kind: "EndpointUnreachable" } },
    ]);
    expect(each[1]).not.toHaveProperty("catalog");
    const only = openPgbackrestRepository(pgbackrest, { only: [1] });
    expect((await only.catalog(server, { signal })).backups).toHaveLength(1);
    expect(await only.missingFiles(server, [first, last], { signal })).toEqual([first]);
    expect(await keysUnder(store, `backup/${server}/${backups[1]!.id}`)).toEqual([]);
  });

  it("expire by their rules: seen before it is done, and never what must stay", async () => {
    const archive = await openArchive(fixture, { isQuick: true });
    const { repository, server } = archive;
    await archive.begin();
    const [first, second, third] = [await archive.backup(), await archive.backup(), await archive.backup()];
    const { config } = archive.pgbackrest;
    const withRules = async (retention: NonNullable<(typeof config.repositories)[0]["retention"]>) =>
      openStanza({ ...config, repositories: config.repositories.map((one) => ({ ...one, retention })) });
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
    const away = await openStanza({
      ...two.config,
      repositories: two.config.repositories.map((one) => ({ ...one, endpoint: "https://127.0.0.1:1" })),
    });
    expect(await expireRepository(away, { ...common, ...soon, mode: "Enforce" })).toMatchObject({
      kind: "skipped",
      reason: "NotTrusted",
    });
  });

  it("tell the WAL that retention removed between older backups, which no window reaches over", async () => {
    const archive = await openArchive(fixture, { isQuick: true });
    await archive.begin();
    await archive.backup();
    const seen = () => archive.repository.catalog(archive.server, { signal });
    await writeSegment(archive);
    await writeSegment(archive);
    await archive.backup();
    await archive.backup();
    const { config } = archive.pgbackrest;
    const retention = { full: 7, archive: 2, archiveType: "full" } as const;
    const rules = await openStanza({
      ...config,
      repositories: config.repositories.map((one) => ({ ...one, retention })),
    });
    const missing = async () => {
      const { backups } = await seen();
      const settled = backups.at(-1)?.endWal;
      return await listMissingWal(openFiles(rules, 1), { segmentBytes: defaultSegmentBytes, settled }, { signal });
    };
    expect((await missing()).between).toEqual([]);
    expect(await expireRepository(rules, { repository: 1, mode: "Enforce", signal })).toMatchObject({
      kind: "removed",
      expired: { backups: [] },
    });
    const catalog = await seen();
    const [first, second] = catalog.backups;
    const { between } = await missing();
    expect(between).toEqual([
      {
        first: nextSegment(first!.endWal!, defaultSegmentBytes),
        last: previousSegment(second!.beginWal!, defaultSegmentBytes),
      },
    ]);
    const newestWal = { name: catalog.backups.at(-1)!.endWal! };
    expect(recoveryWindow({ catalog, newestWal, gaps: between })).toMatchObject({
      firstRecoverabilityPoint: first!.endTime,
      windowFrom: second!.endTime,
    });
  });

  it.each(pgbackrestPrograms())("are verified file by file, by $version", async (program) => {
    const archive = await openArchive(fixture, { program });
    await archive.begin();
    const id = await archive.backup();
    const verify = () => verifyRepository(archive.pgbackrest, { repository: 1, deadlineMs: 60_000, signal });
    expect(await verify()).toMatchObject({ state: "Passed", backups: [{ id, state: "valid" }] });
    const [file] = (await keysUnder(archive.store, `backup/${archive.server}/${id}/pg_data/base/`)).slice(-1);
    await archive.store.delete([file!], { signal });
    expect(await verify()).toMatchObject({ state: "Failed", message: `backup ${id} is damaged (1 missing)` });
  });
});
