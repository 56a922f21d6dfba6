// The controller of Stanzas, and what becomes of their backups' records, on a real API server and two real repositories that
// pgBackRest itself filled: two MinIOs behind TLS.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import { apiVersion, archives, backups, instanceReports, objectStores, stanzas } from "#api/kinds.ts";
import { stanzaLease } from "#api/names.ts";
import { backupReconcile } from "#controllers/backup/controller.ts";
import { Catalogs } from "#controllers/catalogs.ts";
import { stanzaReconcile, type StanzaDeps } from "#controllers/stanza/controller.ts";
import { retentionReconcile, type RetentionDeps } from "#controllers/stanza/retention.ts";
import { Findings } from "#controllers/stanza/findings.ts";
import type { RetentionStatus } from "#controllers/stanza/retention-plan.ts";
import { verificationReconcile, type VerificationStatus } from "#controllers/stanza/verification.ts";
import { jobs, verifyJobName, type Job } from "#controllers/stanza/verify-job.ts";
import { tryRepository } from "#controllers/stanza/try-repository.ts";
import { Trigger } from "#controllers/trigger.ts";
import type { KubeClient } from "#kube/client.ts";
import { createEventRecorder, events } from "#kube/events.ts";
import { createInformer } from "#kube/informer.ts";
import { leases, type Lease } from "#kube/leader.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { createLogger } from "#observe/logger.ts";
import { openStore } from "#store/open.ts";
import { clusterIndexes, stanzaIndexes } from "#webhooks/facts.ts";
import { createMutexes } from "../../src/cmd/operator/mutexes.ts";
import { createStanzaMutexes } from "../../src/cmd/operator/stanza-mutexes.ts";
import { createOpenRepository, repositoryOfStanza } from "../../src/cmd/operator/repositories.ts";
import { createOperatorStanzas, type OperatorStanzas } from "../../src/cmd/operator/stanzas.ts";
import { createOperatorStores, type OperatorStores } from "../../src/cmd/operator/stores.ts";
import { type ApiServer, startApiServer, waitUntil } from "./api-server.ts";
import { adminClient, configMaps, definitions, signal } from "./kube-widget.ts";
import { minioRegion, startMinio, type Minio } from "./minio.ts";
import { refusePod, runVerifyProgram } from "./verify-program.ts";
import { imageProgram, usePgbackrest, type ByHand, type TestStanza } from "./pgbackrest-fixture.ts";

const fixture = usePgbackrest();
const logger = createLogger("error");
const namespace = "default";
const key = { namespace, name: "main" };
const secrets: Resource = { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };

let api: ApiServer;
let client: KubeClient & { close(): void };
let deps: StanzaDeps & RetentionDeps & Parameters<typeof backupReconcile>[0];
let operatorStanzas: OperatorStanzas;
let operatorStores: OperatorStores;
let second: Minio;
let stanza: TestStanza;
let hand: ByHand;
const stop = new AbortController();
const running: Promise<unknown>[] = [];
const path = process.env["PATH"];

beforeAll(async () => {
  process.env["PATH"] = `${dirname(imageProgram().program)}:${path}`;
  [api, second] = await Promise.all([startApiServer(), startMinio({ tls: true })]);
  client = await adminClient(api);
  const crds = join(import.meta.dirname, "..", "..", "crds");
  for (const file of readdirSync(crds).filter((name) => name !== "kustomization.yaml")) {
    const definition = parse(readFileSync(join(crds, file), "utf8")) as KubeObject;
    await client.apply(definitions, definition, { fieldManager: "test", signal: signal() });
  }
  for (const kind of [objectStores, stanzas, archives, backups, instanceReports])
    await waitUntil(`${kind.plural} are served`, () =>
      client.list(kind, { signal: signal() }).then(
        () => true,
        () => false,
      ),
    );
  const shared = { client, logger };
  // There are no Clusters here, and CloudNativePG has no kinds.
  const none = { ...shared, resource: configMaps, labelSelector: "nothing=has-this" };
  const informers = {
    stores: createInformer<ObjectStore>({ ...shared, resource: objectStores }),
    stanzas: createInformer<Stanza>({ ...shared, resource: stanzas, indexes: stanzaIndexes }),
    archives: createInformer<Archive>({ ...shared, resource: archives }),
    backups: createInformer<Backup>({
      ...shared,
      resource: backups,
      indexes: { cluster: () => [], cnpgBackup: () => [] },
    }),
    reports: createInformer<InstanceReport>({ ...shared, resource: instanceReports }),
    clusters: createInformer<KubeObject>({ ...none, indexes: clusterIndexes }),
    cnpgBackups: createInformer<KubeObject>({ ...none, indexes: { cluster: () => [], request: () => [] } }),
  };
  for (const informer of Object.values(informers)) running.push(informer.run(stop.signal));
  await Promise.all(Object.values(informers).map((informer) => informer.synced(signal())));
  operatorStanzas = createOperatorStanzas(client, informers.stanzas, logger);
  operatorStores = createOperatorStores(client, informers.stores, logger);
  const mutexOf = createStanzaMutexes({
    ...informers,
    mutexOf: createMutexes({ client, identity: "test", logger }),
  });
  deps = {
    ...informers,
    client,
    catalogs: new Catalogs(),
    retentions: new Findings<RetentionStatus>(),
    verifications: new Findings<VerificationStatus>(),
    mutexOf,
    lookAtStanza: new Trigger(),
    lookAt: () => undefined,
    openStanza: operatorStanzas.open,
    openRepository: createOpenRepository({
      stores: operatorStores,
      stanzas: operatorStanzas,
      mutexOf,
    }),
    tryRepository,
    repositoryOf: repositoryOfStanza,
    events: createEventRecorder({ client, instance: "test", logger }),
  };
  stanza = fixture.newStanza([fixture.newRepository(), fixture.newRepository({ minio: second, passphrase: "of two" })]);
  hand = await fixture.byHand({ stanza });
  await makeObjects();
});
afterAll(async () => {
  stop.abort();
  await Promise.allSettled(running);
  operatorStanzas?.close();
  operatorStores?.close();
  client?.close();
  await Promise.all([second?.stop(), api?.stop()]);
  process.env["PATH"] = path;
});

/** The Stanza of both repositories, with its Secret. */
async function makeObjects(): Promise<void> {
  const { credentials } = fixture.minio.config();
  const stringData = {
    id: "contract",
    key: credentials.kind === "keys" ? credentials.secretAccessKey : "",
    passphrase: "of two",
    ca1: fixture.minio.ca ?? "",
    ca2: second.ca ?? "",
  };
  await client.create(secrets, { metadata: { name: "login", namespace }, stringData } as KubeObject, {
    signal: signal(),
  });
  const at = (name: string) => ({ name: "login", key: name });
  const s3Repositories = stanza.repositories.map(({ minio, path: repoPath, passphrase }, index) => ({
    bucket: minio.config().bucket,
    endpoint: minio.endpoint,
    region: minioRegion,
    repoPath,
    uriStyle: "path",
    endpointCA: at(`ca${index + 1}`),
    secretRef: { accessKeyId: at("id"), secretAccessKey: at("key") },
    ...(passphrase !== undefined && { cipherConfig: { encryptionPass: at("passphrase") } }),
  }));
  const spec = { stanzaConfiguration: { name: stanza.name, s3Repositories } };
  await client.create(stanzas, { apiVersion, kind: "Stanza", metadata: key, spec } as KubeObject, { signal: signal() });
  await waitUntil("the Stanza is seen", () => deps.stanzas.get(key) !== undefined);
}

const shown = async (): Promise<NonNullable<Stanza["status"]>> =>
  (await client.get<Stanza>(stanzas, key, { signal: signal() }))?.status ?? {};

/** "True Succeeded", as the Stanza shows it. */
const condition = async (type: string): Promise<string> => {
  const found = (await shown()).conditions?.find((each) => each.type === type);
  return `${found?.status} ${found?.reason}`;
};

/** Looks once more, until the caches show what that wrote. */
async function seen(): Promise<void> {
  const version = (await client.get(stanzas, key, { signal: signal() }))?.metadata.resourceVersion;
  await waitUntil("its status is seen", () => deps.stanzas.get(key)?.metadata.resourceVersion === version);
}

async function look(reconcile: ReturnType<typeof stanzaReconcile>): Promise<void> {
  await seen();
  await reconcile(key, signal(), logger);
  await seen();
  const { items } = await client.list(backups, { namespace, signal: signal() });
  await waitUntil("its records are seen", () => deps.backups.list().length === items.length);
}

const records = (): Promise<readonly Backup[]> =>
  client.list<Backup>(backups, { namespace, signal: signal() }).then(({ items }) => items);

describe("a Stanza", () => {
  it("tells how two repositories stand, from nothing to the loss of one, and drops no fact on the way", async () => {
    const reconcile = stanzaReconcile(deps);
    await look(reconcile);
    expect(await condition("Ready")).toBe("True Succeeded");
    expect(await condition("StanzaCreated")).toBe("False NoStanza");
    const { checks = [], repositories = [] } = await shown();
    expect(checks.filter(({ name }) => name.endsWith("/Put"))).toMatchObject([
      { name: "repo1/Put", status: "Passed" },
      { name: "repo2/Put", status: "Passed" },
    ]);
    expect(repositories.map(({ state }) => state)).toEqual(["NoStanza", "NoStanza"]);
    expect(
      await client.get<Lease>(leases, { namespace, name: stanzaLease("main") }, { signal: signal() }),
    ).toBeDefined();

    await hand.run("stanza-create");
    await fixture.archiveWith(hand.archiveCommand);
    await hand.run("backup", "--type=full", "--repo=1", "--annotation=holdfast-backup=nightly");
    await hand.run("backup", "--type=incr", "--repo=1");
    await hand.run("backup", "--type=full", "--repo=2");
    await look(reconcile);
    await look(reconcile);
    expect(await condition("StanzaCreated")).toBe("True Succeeded");
    expect(await condition("Redundant")).toBe("True Succeeded");
    expect(await condition("Encrypted")).toBe("False NotEncrypted");
    const whole = await shown();
    expect(whole).toMatchObject({
      backupSummary: "2/0/1",
      repositorySummary: "2/2",
      backupsCount: { Full: 2, Incr: 1 },
    });
    expect(whole.systemID).toMatch(/^\d{19}$/);
    const [archive] = (await client.list<Archive>(archives, { namespace, signal: signal() })).items;
    expect(archive?.status).toMatchObject({
      repository: { kind: "Stanza", name: "main" },
      serverName: stanza.name,
      backups: 3,
      lastWal: { name: expect.stringMatching(/^[0-9A-F]{24}$/) as string },
      windowTo: expect.any(String) as string,
    });
    const made = await records();
    expect(made.map(({ metadata }) => metadata.name)).toContain("nightly");
    expect(made).toHaveLength(3);

    // A look that finds nothing new writes nothing.
    const version = async () => (await client.get(stanzas, key, { signal: signal() }))?.metadata.resourceVersion;
    const before = await version();
    await look(reconcile);
    expect(await version()).toBe(before);

    await second.stop();
    const away = stanzaReconcile(deps);
    await look(away);
    expect(await condition("RepositoriesReachable")).toBe("Unknown EndpointUnreachable");
    expect(await condition("Ready")).toBe("True Succeeded");
    expect(await condition("Redundant")).toBe("False RepositoryDown");
    expect(await shown()).toMatchObject({
      backupSummary: "2/0/1",
      repositorySummary: "1/2",
      repositories: [{ state: "Ok" }, { state: "Unreachable", full: 1, lastWal: whole.repositories?.[1]?.lastWal }],
    });
    expect((await client.list<Archive>(archives, { namespace, signal: signal() })).items[0]?.status?.backups).toBe(3);
    expect(await records()).toHaveLength(3);
    const told = JSON.stringify([await shown(), (await client.list(events, { namespace, signal: signal() })).items]);
    expect(told).not.toMatch(/contract-test-secret|of two/);
  });

  it("has each backup's record judged by its repository, and deletes only what nothing builds on", async () => {
    const judge = backupReconcile(deps);
    const each = async (name: string): Promise<Backup> => {
      await judge({ namespace, name }, signal(), logger);
      const found = (await client.get<Backup>(backups, { namespace, name }, { signal: signal() }))!;
      await waitUntil(
        `the status of ${name} is seen`,
        () => deps.backups.get({ namespace, name })?.metadata.resourceVersion === found.metadata.resourceVersion,
      );
      return found;
    };
    await look(stanzaReconcile(deps));
    const all = await Promise.all((await records()).map(({ metadata }) => each(metadata.name)));
    const ready = ({ status }: Backup) => status?.conditions?.find(({ type }) => type === "Ready");
    const incr = all.find(({ spec }) => spec.backupId?.endsWith("I"))!;
    const full = all.find(({ metadata }) => metadata.name === "nightly")!;
    const other = all.find((backup) => backup !== incr && backup !== full)!;
    expect(full.status).toMatchObject({
      phase: "Completed",
      type: "full",
      selectedRepository: 1,
      serverName: stanza.name,
    });
    expect(full.status?.destinationPath).toBe(`s3://backups${stanza.repositories[0]!.path}`);
    expect(incr.status).toMatchObject({ phase: "Completed", type: "incr", prior: full.spec.backupId });
    // Its repository is away: nothing is known of it.
    expect(ready(other)).toMatchObject({ status: "Unknown", reason: "EndpointUnreachable" });

    const deleted = async (name: string): Promise<string> => {
      const patch = { spec: { deletionPolicy: "Delete" } };
      await client.patch(backups, { namespace, name }, patch, { type: "merge", signal: signal() });
      await waitUntil(
        `${name} is to be deleted`,
        () => deps.backups.get({ namespace, name })?.spec.deletionPolicy === "Delete",
      );
      await each(name);
      await client.delete(backups, { namespace, name }, { signal: signal() });
      await waitUntil(
        `the deletion of ${name} is seen`,
        () => deps.backups.get({ namespace, name })?.metadata.deletionTimestamp !== undefined,
      );
      await judge({ namespace, name }, signal(), logger);
      const { items } = await client.list(events, { namespace, signal: signal() });
      const said = items as readonly (KubeObject & { reason: string; note: string; regarding: { name: string } })[];
      const last = said.filter(({ regarding, reason }) => regarding.name === name && reason.startsWith("Data")).at(-1);
      return `${last?.reason}: ${last?.note}`;
    };
    expect(await deleted("nightly")).toBe(
      `DataRetained: the data stays in the store: ${incr.spec.backupId} cannot be restored without it`,
    );
    expect(await deleted(incr.metadata.name)).toBe(`DataDeleted: deleted from the store: ${incr.spec.backupId}`);
    const left = JSON.parse(await hand.run("info", "--output=json", "--repo=1")) as { backup: { label: string }[] }[];
    expect(left[0]?.backup.map(({ label }) => label)).toEqual([full.spec.backupId]);
  });

  it("says what its retention would remove, and removes that with its records once told to", async () => {
    const retention = retentionReconcile(deps);
    const reconcile = stanzaReconcile(deps);
    const spec = (await client.get<Stanza>(stanzas, key, { signal: signal() }))!.spec;
    const [first, other] = spec.stanzaConfiguration.s3Repositories ?? [];
    const change = async (mode: "Preview" | "Enforce"): Promise<void> => {
      const s3Repositories = [
        { ...first, retentionPolicy: { full: 1 } },
        { ...other, retentionPolicy: { full: 1 } },
      ];
      const patch = { spec: { stanzaConfiguration: { s3Repositories }, retention: { mode } } };
      const { metadata } = await client.patch(stanzas, key, patch, { type: "merge", signal: signal() });
      await waitUntil("the change is seen", () => deps.stanzas.get(key)?.metadata.generation === metadata.generation);
    };
    // No WAL is taken while a repository is away.
    await hand.run("backup", "--type=full", "--repo=1", "--no-archive-check");
    await look(reconcile);
    const before = await records();
    const old = before.find(({ metadata }) => metadata.name === "nightly")!;
    const listed = async (): Promise<readonly string[]> => {
      const [info] = JSON.parse(await hand.run("info", "--output=json", "--repo=1")) as {
        backup: { label: string }[];
      }[];
      return info?.backup.map(({ label }) => label) ?? [];
    };

    await change("Preview");
    await retention(key, signal(), logger);
    await look(reconcile);
    expect((await shown()).retention).toMatchObject({
      mode: "Preview",
      // Repository 2 is still away.
      summary: "Preview: 1 backup would go, repository 2 skipped",
    });
    expect((await shown()).retention?.plan?.[0]).toMatchObject({
      repository: 1,
      what: expect.stringContaining(old.spec.backupId ?? "?") as string,
    });
    expect(await listed()).toContain(old.spec.backupId);

    await change("Enforce");
    await retention(key, signal(), logger);
    expect(await listed()).not.toContain(old.spec.backupId);
    expect(await listed()).toHaveLength(1);
    const gone = (): boolean => deps.backups.get({ namespace, name: "nightly" }) === undefined;
    await waitUntil("its record is gone", gone);
    await look(reconcile);
    expect(gone()).toBe(true);
    expect((await shown()).retention?.summary).toBe("Enforce: 1 backup removed, repository 2 skipped");
  });

  it("is verified on demand by a Job that the API server takes, whose program tells damage from what is whole", async () => {
    const patch = { metadata: { annotations: { "holdfast.dev/verify": "today" } } };
    await client.patch(stanzas, key, patch, { type: "merge", signal: signal() });
    await waitUntil("the request is seen", () => deps.stanzas.get(key)?.metadata.annotations !== undefined);
    await verificationReconcile({ ...deps, jobImage: () => ({ image: "holdfast" }) })(key, signal(), logger);
    expect(deps.verifications.get(deps.stanzas.get(key)?.metadata.uid ?? "")).toMatchObject({ state: "Running" });
    const name = verifyJobName(deps.stanzas.get(key)!, "today");
    const job = (await client.get<Job>(jobs, { namespace, name }, { signal: signal() }))!;
    await refusePod(client, job);
    await verificationReconcile({ ...deps, jobImage: () => undefined })(key, signal(), logger);
    expect(deps.verifications.get(deps.stanzas.get(key)?.metadata.uid ?? "")?.message).toContain(
      "is forbidden: exceeded quota: small",
    );
    const login = { namespace, name: "login" };
    const secret = (await client.get<KubeObject & { data: Record<string, string> }>(secrets, login, {
      signal: signal(),
    }))!.data;
    // Only the repository that is there.
    const narrow = ({ stanzaConfiguration, ...rest }: Stanza["spec"]): Stanza["spec"] => {
      const s3Repositories = stanzaConfiguration.s3Repositories?.slice(0, 1) ?? [];
      return { ...rest, stanzaConfiguration: { ...stanzaConfiguration, s3Repositories } };
    };
    const verdict = () => runVerifyProgram({ job, secret, narrow });
    expect(await verdict()).toMatchObject({ state: "Passed" });

    const { minio, path: repoPath } = stanza.repositories[0]!;
    const store = await openStore(minio.config({ prefix: `${repoPath.slice(1)}/` }));
    onTestFinished(() => store.close());
    const entries = await Array.fromAsync(store.list(`backup/${stanza.name}/`, { signal: signal() }));
    const file = entries.find((entry) => entry.kind === "object" && entry.key.includes("/pg_data/PG_VERSION"));
    if (file?.kind !== "object") throw new Error("the backup has no PG_VERSION");
    await store.put(file.key, Buffer.from("not what was backed up"), { signal: signal() });
    expect(await verdict()).toMatchObject({
      state: "Failed",
      message: expect.stringMatching(/^repository 1: backup \S+F is damaged/) as string,
    });
  });
});
