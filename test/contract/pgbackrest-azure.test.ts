// Repositories in Azure Blob Storage, against Azurite behind TLS: the whole way from a Stanza and its Secret, through
// pgBackRest of the image's version, to what the Stanza shows.
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import { stanzaConditions } from "#controllers/stanza/conditions.ts";
import { lookAtStanza, type StanzaLook } from "#controllers/stanza/observe.ts";
import { tryAzure } from "#controllers/stanza/try-azure.ts";
import { tryRepository } from "#controllers/stanza/try-repository.ts";
import { checkBackup } from "#engine/verify/check.ts";
import type { AzureRepository } from "#repository/pgbackrest/config.ts";
import { expireRepository } from "#repository/pgbackrest/expire.ts";
import { readInfo } from "#repository/pgbackrest/info.ts";
import { openPgbackrestRepository } from "#repository/pgbackrest/repository.ts";
import { resolveStanzaConfig } from "#repository/pgbackrest/resolve.ts";
import { pgbackrestPrograms } from "../cluster/pgbackrest.ts";
import { sharedAccessSignature } from "./azure-client.ts";
import { startAzurite, type Azurite } from "./azurite.ts";
import { signal } from "./backup-fixture.ts";
import { openArchive, openStanza } from "./pgbackrest-archive.ts";
import { StanzaUnderTest } from "./pgbackrest-engine.ts";
import { imageProgram, type AnyTestStanza } from "./pgbackrest-fixture.ts";
import type { AzureTestRepository } from "./pgbackrest-repositories.ts";
import { archiving, useStanzaWal } from "./pgbackrest-wal-fixture.ts";
import { walSuite } from "./repository.suite.ts";

const wal = useStanzaWal(6);
const fixture = wal.pgbackrest;
let azurite: Azurite;

beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite?.stop());

const inAzure = (over: Partial<AzureTestRepository> = {}): AzureTestRepository => {
  const { path } = fixture.newRepository();
  return { azurite, path, ...over };
};

type AzureSpec = NonNullable<Stanza["spec"]["stanzaConfiguration"]["azureRepositories"]>[number];

type Changes = { readonly [field in keyof AzureSpec]?: AzureSpec[field] | undefined };

/** A Stanza of one repository in Azure as a user writes it, and its Secret. */
function written(stanza: AnyTestStanza, over: Changes = {}, secret: Readonly<Record<string, string>> = {}) {
  const { path, sas } = stanza.repositories[0] as AzureTestRepository;
  const at = (key: string) => ({ name: "login", key });
  const repository = {
    account: azurite.account,
    container: azurite.container,
    repoPath: path,
    endpoint: azurite.endpoint,
    uriStyle: "path",
    endpointCA: at("ca"),
    secretRef: { keyReference: at("key") },
    ...(sas !== undefined && { keyType: "sas" }),
    ...over,
  };
  const spec = { stanzaConfiguration: { name: stanza.name, azureRepositories: [repository] } };
  const values: Readonly<Record<string, string>> = { ca: azurite.ca, key: sas ?? azurite.key, ...secret };
  const object = { metadata: { name: "main", namespace: "default", uid: "1", generation: 1 }, spec } as Stanza;
  return { object, config: () => resolveStanzaConfig(object, ({ key }) => Promise.resolve(values[key]!), { signal }) };
}

/** What the operator finds: "False AccessDenied: repository 1: …" of a condition. */
async function shown(...args: Parameters<typeof written>) {
  const { object, config } = written(...args);
  const { look }: StanzaLook = await lookAtStanza(object, {
    open: async () => {
      const resolved = await config();
      return { config: resolved, pgbackrest: await openStanza(resolved) };
    },
    tryRepository,
    openRepository: ({ pgbackrest }, only) => openPgbackrestRepository(pgbackrest, { only }),
    known: undefined,
    preflight: undefined,
    lastRetention: undefined,
    signal,
  });
  const conditions = stanzaConditions({ look, generation: 1 });
  return (type: string): string => {
    const found = conditions.find((each) => each.type === type);
    return `${found?.status} ${found?.reason}: ${found?.message}`;
  };
}

describe("a repository in Azure", () => {
  walSuite(() => openArchive(fixture, { stanza: fixture.newStanza([inAzure()]) }));

  it("is told to pgBackRest as the Stanza and its Secret say", async () => {
    for (const sas of [undefined, sharedAccessSignature(azurite, "rwdl")]) {
      const stanza = fixture.newStanza([inAzure(sas === undefined ? {} : { sas })]);
      const { repositories, credentials } = fixture.stanzaConfig(stanza);
      expect(await written(stanza).config()).toMatchObject({ repositories, credentials });
    }
  });

  it.each([
    ["the account's key, file by file", undefined, false],
    ["the account's key, in the background", undefined, true],
    ["a shared access signature", "rwdl", false],
  ])("takes WAL and gives it back by %s", async (_, permissions, async) => {
    const names = wal.segments;
    await wal.ready(names);
    const sas = permissions === undefined ? {} : { sas: sharedAccessSignature(azurite, permissions) };
    const side = await wal.side(fixture.newStanza([inAzure(sas)]), { config: archiving({ async }) });
    await side.archive(names[0]!, { checkEmpty: true });
    for (const name of names.slice(1)) await side.archive(name);
    expect(side.commands).toContain("stanza-create");
    expect(side.commands.includes("archive-push:async")).toBe(async);
    const fetched = await readFile(await side.fetch(names.at(-1)!));
    expect(fetched.equals(await readFile(side.pathOf(names.at(-1)!)))).toBe(true);
    await expect(side.fetch("0000000100000000000000F0")).rejects.toMatchObject({ kind: "NotFound" });
  });

  it("is backed up to, shown, restored from and expired", async () => {
    const stanza = fixture.newStanza([inAzure({ passphrase: "correct horse" })]);
    const variables = { PGBACKREST_REPO1_BUNDLE: "y" };
    const under = await StanzaUnderTest.create(fixture, imageProgram(), stanza, { variables });
    const { primary } = fixture;
    await primary.query("CREATE TABLE IF NOT EXISTS public.notes (note text)");
    const full = await under.backup();
    await primary.query("INSERT INTO public.notes VALUES ('after the full backup')");
    const incr = await under.backup({ request: { repository: 1, type: "incr" } });
    await primary.query("INSERT INTO public.notes VALUES ('in WAL alone')");
    await under.archiveAll();

    const repository = openPgbackrestRepository(under.pgbackrest);
    const { backups } = await repository.catalog(stanza.name, { signal });
    expect(backups).toMatchObject([
      { id: full.label, type: "full" },
      { id: incr.label, type: "incr", prior: full.label },
    ]);
    const checked = await checkBackup({ repository, server: stanza.name, id: incr.label, signal });
    expect(checked).toMatchObject({ kind: "whole" });

    const server = await under.recover(await under.restore(incr));
    expect(await server.value("SELECT count(*) FROM public.notes")).toBe("2");

    const { config } = under.pgbackrest;
    const rules = await openStanza({
      ...config,
      repositories: [{ ...config.repositories[0]!, retention: { full: 1 } }],
    });
    await under.backup({ request: { repository: 1, type: "full" } });
    expect(await expireRepository(rules, { repository: 1, mode: "Enforce", signal })).toMatchObject({
      kind: "removed",
      expired: { backups: expect.arrayContaining([expect.objectContaining({ id: full.label })]) as unknown },
    });
    expect((await repository.catalog(stanza.name, { signal })).backups).toHaveLength(1);
  });

  it("stands beside one in S3 as the second, and has the same WAL", async () => {
    const [first, second] = wal.segments;
    await wal.ready([first!, second!]);
    const stanza = fixture.newStanza([fixture.newRepository(), inAzure()]);
    const side = await wal.side(stanza);
    for (const name of [first!, second!]) await side.archive(name);
    for (const only of [1, 2]) {
      const repository = openPgbackrestRepository(side.target.pgbackrest, { only: [only] });
      expect(await repository.missingFiles(stanza.name, [first!, second!], { signal })).toEqual([]);
    }
  });

  it.each(pgbackrestPrograms())(
    "is tried for writing by $version, as far as that can",
    async ({ version, program }) => {
      const stanza = fixture.newStanza([inAzure()]);
      const config = fixture.stanzaConfig(stanza, { variables: { PGBACKREST_ALLOW_ROOT: "y" } });
      const checks = await tryAzure(await openStanza(config, { version, program }), {
        key: 1,
        file: "holdfast/x",
        signal,
      });
      const hasCommand = Number(version.split(".")[1]) < 59;
      const seen = hasCommand ? ["Put Passed", "Delete Passed"] : ["Put NotRun"];
      expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual(seen);
    },
  );

  it("tells what is wrong with it, and what mends that", async () => {
    const stanza = fixture.newStanza([inAzure()]);
    const reachable = async (...args: [Changes, Record<string, string>?]): Promise<string> =>
      (await shown(stanza, ...args))("RepositoriesReachable");
    const signed = (permissions: string) => ({ key: sharedAccessSignature(azurite, permissions) });
    const fresh = await shown(stanza);
    expect(fresh("Ready")).toMatch(/^True Succeeded/);
    expect(fresh("StanzaCreated")).toMatch(/^False NoStanza/);
    expect(await reachable({}, { key: Buffer.from("wrong").toString("base64") })).toMatch(
      /^False AccessDenied: repository 1: .*AuthorizationFailure \(compare secretRef\.keyReference/,
    );
    expect(await reachable({ container: "nowhere" })).toMatch(
      /^False NoSuchBucket: repository 1: .*ContainerNotFound \(make the container/,
    );
    expect(await reachable({ endpointCA: undefined })).toMatch(
      /^False TLSVerificationFailed: repository 1: .*endpointCA/,
    );
    expect(await reachable({ keyType: "sas" }, signed("rl"))).toMatch(
      /^False AccessDenied: repository 1: .*needs read, write/,
    );
    expect(await reachable({ keyType: "sas" }, signed("rwdl"))).toMatch(/^True/);
    const misread = await shown(stanza, { keyType: "sas" });
    expect(misread("Ready")).toMatch(/^False InvalidSpec: .*secretRef\.keyReference: .*keyType: shared/);
    expect(misread("Ready")).not.toContain(azurite.key.slice(0, 12));
    expect((await shown(stanza, {}, signed("rl")))("Ready")).toMatch(/^False InvalidSpec: .*keyType: sas/);
    // As it would come from pgBackRest itself.
    const config = await written(stanza).config();
    const [repository] = config.repositories as [AzureRepository];
    const raw = await openStanza({ ...config, repositories: [{ ...repository, keyType: "sas" }] });
    const told = await readInfo(raw, { signal, deadlineMs: 30_000 });
    expect(JSON.stringify(told)).toContain("invalid key/value");
    expect(JSON.stringify(told)).not.toContain(azurite.key.slice(0, 12));
  });
});
