import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupRecord, Catalog } from "#repository/catalog.ts";
import { Catalogs, type StoreReading } from "../catalogs.ts";
import { observeBackup, type Sources } from "./observe.ts";
import { Progresses } from "./progress.ts";
import type { Check } from "./terms.ts";

const record = (id: string, repository?: number): BackupRecord => ({
  id,
  status: "done",
  type: "full",
  tablespaces: [],
  ...(repository !== undefined && { repository }),
});
const catalog = (...backups: BackupRecord[]): ReadonlyMap<string, Catalog> =>
  new Map([["pg", { server: "pg", backups, unreadable: [] }]]);
const cluster = (parameters: object) => ({
  metadata: { name: "pg", namespace: "db" },
  spec: { instances: 1, plugins: [{ name: "holdfast.dev", parameters }] },
});
const objectStore = {
  metadata: { name: "main", namespace: "db", uid: "of the store" },
  spec: { configuration: { destinationPath: "s3://barman/" } },
};
const repository = (bucket: string) => ({ bucket, endpoint: "minio:9000", region: "r", repoPath: "/repo" });
const stanza = {
  metadata: { name: "main", namespace: "db", uid: "of the stanza" },
  spec: { stanzaConfiguration: { name: "pg", s3Repositories: [repository("one"), repository("two")] } },
};

interface World {
  readonly store?: StoreReading["catalogs"];
  readonly stanza?: Partial<StoreReading>;
  readonly parameters?: object;
  readonly work?: object;
}

/** An ObjectStore and a Stanza of one name, side by side. */
async function observe(backup: Backup, world: World) {
  const catalogs = new Catalogs();
  const key = { namespace: "db", name: "main" };
  const startedAt = performance.now();
  catalogs.set({ ...key, kind: "ObjectStore" }, { storeUid: "of the store", startedAt, catalogs: world.store });
  catalogs.set(
    { ...key, kind: "Stanza" },
    { storeUid: "of the stanza", startedAt, catalogs: undefined, ...world.stanza },
  );
  const none = { get: () => undefined, list: () => [], byIndex: () => [] };
  const checked: string[] = [];
  const sources = {
    backups: { ...none, get: () => backup },
    cnpgBackups: { ...none, get: () => world.work },
    clusters: { ...none, get: () => cluster(world.parameters ?? { stanza: "main" }) },
    stores: { ...none, get: () => objectStore },
    stanzas: { ...none, get: () => stanza },
    reports: none,
    catalogs,
    lookAt: () => undefined,
  } as unknown as Sources;
  const unknown: Check = { kind: "unknown", reason: "StoreError", message: "" };
  const verifier = {
    check: async (order: { store: { kind: string }; server: string; repository?: number }) => {
      checked.push(`${order.store.kind} ${order.server} ${order.repository}`);
      return unknown;
    },
    wholeAt: () => undefined,
    forget: () => undefined,
  };
  const looks = { verifier, progresses: new Progresses(), signal: AbortSignal.timeout(5_000) };
  const observed = await observeBackup({ namespace: "db", name: "b" }, sources, looks);
  return { ...observed!, checked };
}

const found = (kind: "ObjectStore" | "Stanza"): Backup => ({
  metadata: { name: "b", namespace: "db", uid: "u" },
  spec: { repository: { kind, name: "main", serverName: "pg" }, backupId: "A" },
});
const requested = (spec: Partial<Backup["spec"]> = {}): Backup => ({
  metadata: { name: "b", namespace: "db", uid: "u", labels: { "holdfast.dev/cnpg-backup": "b" } },
  spec: { cluster: { name: "pg" }, ...spec },
});

describe("a backup in one of two stores of a name", () => {
  it("is looked for in the store of its kind", async () => {
    const inStanza = { stanza: { catalogs: catalog(record("A", 2)) }, store: catalog() };
    expect((await observe(found("Stanza"), inStanza)).inStore).toMatchObject({
      kind: "present",
      repository: { kind: "Stanza", uid: "of the stanza", destinationPath: "s3://two/repo", endpointURL: "minio:9000" },
    });
    expect((await observe(found("ObjectStore"), inStanza)).inStore).toMatchObject({ kind: "absent" });
  });

  it("is checked where its Cluster archives, and its sidecar's words are taken", async () => {
    const pluginMetadata = { type: "incr", typeReason: "the newest full is young", prior: "F", repository: "2" };
    const work = {
      metadata: { name: "b", namespace: "db" },
      spec: {},
      status: { phase: "completed", backupId: "A", pluginMetadata },
    };
    const seen = await observe(requested(), { work, stanza: { catalogs: catalog() } });
    expect(seen.storeKind).toBe("Stanza");
    expect(seen.checked).toEqual(["Stanza pg 2"]);
    expect(seen.work?.said).toEqual({
      type: "incr",
      typeReason: "the newest full is young",
      prior: "F",
      selectedRepository: 2,
    });
  });
});

describe("a backup of which another repository has a copy", () => {
  it("stays where it was made while that has it", async () => {
    const copied = { ...record("A", 1), alsoIn: [2] };
    const place = { destinationPath: "s3://two/repo", endpointURL: "minio:9000" };
    const inTwo = { ...found("Stanza"), status: { selectedRepository: 2, ...place } };
    const inStore = async (...backups: BackupRecord[]) =>
      (await observe(inTwo, { stanza: { catalogs: catalog(...backups) } })).inStore;
    expect(await inStore(copied)).toMatchObject({ record: { repository: 2 }, repository: place });
    expect(await inStore(record("A", 1))).toMatchObject({ record: { repository: 1 } });
  });
});

describe("a backup in a repository that could not be read", () => {
  const unread = new Map([[2, { reason: "EndpointUnreachable", message: "repository 2 is away" } as const]]);
  const stanzaReading = { catalogs: catalog(record("B", 1)), unread };

  it("is Unknown, and so is one of which nobody knows the repository", async () => {
    const seen = (backup: Backup) => observe(backup, { stanza: stanzaReading }).then(({ inStore }) => inStore);
    const inTwo = { ...found("Stanza"), status: { selectedRepository: 2 } };
    expect(await seen(inTwo)).toEqual({
      kind: "unknown",
      reason: "EndpointUnreachable",
      message: "repository 2 is away",
    });
    expect(await seen(found("Stanza"))).toMatchObject({ kind: "unknown" });
  });

  it("is not: it was in the other one, which lists it no more", async () => {
    const inOne = { ...found("Stanza"), status: { selectedRepository: 1 } };
    expect((await observe(inOne, { stanza: stanzaReading })).inStore).toMatchObject({ kind: "absent" });
  });

  it("is checked in the repository that is at its place now, whatever number that had", async () => {
    const work = { metadata: { name: "b", namespace: "db" }, spec: {}, status: { phase: "completed", backupId: "A" } };
    const checked = async (bucket: string) => {
      const place = { destinationPath: `s3://${bucket}/repo`, endpointURL: "minio:9000" };
      const renumbered = { ...requested(), status: { backupId: "A", selectedRepository: 1, ...place } };
      return (await observe(renumbered, { work, stanza: { catalogs: catalog() } })).checked;
    };
    expect(await checked("one")).toEqual(["Stanza pg 1"]);
    expect(await checked("two")).toEqual(["Stanza pg 2"]);
    // Nobody knows: then it is looked for in all of them.
    expect(await checked("gone")).toEqual(["Stanza pg undefined"]);
  });

  it("is Unknown when its number stands for another place by now", async () => {
    const place = { destinationPath: "s3://two/repo", endpointURL: "minio:9000" };
    const wasOne = { ...found("Stanza"), status: { selectedRepository: 1, ...place } };
    expect((await observe(wasOne, { stanza: stanzaReading })).inStore).toMatchObject({ kind: "unknown" });
  });
});

describe("a request to an ObjectStore", () => {
  it("cannot ask for what only a Stanza has", async () => {
    const parameters = { objectStore: "main" };
    const invalid = (spec: Partial<Backup["spec"]>) =>
      observe(requested(spec), { parameters }).then((observed) => observed.invalid);
    expect(await invalid({ type: "incr" })).toContain("an ObjectStore knows full backups only");
    expect(await invalid({ selectedRepository: 2 })).toContain("spec.selectedRepository");
    expect(await invalid({ type: "full" })).toBeUndefined();
    expect((await observe(requested({ type: "incr", selectedRepository: 2 }), {})).invalid).toBeUndefined();
  });
});
