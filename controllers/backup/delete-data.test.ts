import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import type { Resource } from "#kube/object.ts";
import { backupInfoKey } from "#repository/barman/layout.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import { StoreError } from "#store/errors.ts";
import { openFilesystemStore } from "#store/filesystem.ts";
import type { ObjectStore } from "#store/store.ts";
import { Catalogs } from "../catalogs.ts";
import { readDeletionFacts } from "./deletion-facts.ts";
import { deletionReconcile, type DeletionDeps } from "./delete-data.ts";

const info = [
  "status=DONE",
  "begin_time=2026-11-21 09:15:00+00:00",
  "end_time=2026-11-21 09:18:00+00:00",
  "begin_wal=000000010000000000000014",
  "end_wal=000000010000000000000014",
  "begin_xlog=0/14000028",
  "end_xlog=0/14000100",
  "timeline=1",
].join("\n");

describe("a Backup that is deleted", () => {
  it("takes nothing for its own work that runs under its name after it is done", async () => {
    const backup: Backup = {
      metadata: { name: "b", namespace: "db", uid: "u", labels: { "holdfast.dev/cnpg-backup": "b" } },
      spec: { cluster: { name: "pg" }, deletionPolicy: "Delete" },
      status: { phase: "Completed", backupId: "A" },
    };
    const again = { metadata: { name: "b", namespace: "db" }, spec: {}, status: { phase: "started" } };
    const none = { get: () => undefined, list: () => [], byIndex: () => [] };
    const sources = {
      backups: none,
      cnpgBackups: { ...none, get: () => again },
      clusters: none,
      stores: none,
      stanzas: none,
      reports: none,
    };
    const facts = await readDeletionFacts(backup, {
      client: { get: async () => ({ metadata: { name: "db" } }) },
      sources,
      openRepository: () => Promise.reject(new Error("there is none")),
      signal: AbortSignal.timeout(5_000),
    } as unknown as Parameters<typeof readDeletionFacts>[1]);
    expect(facts.running).toBe(false);
  });
});

describe("data that the store refuses to delete", () => {
  let root: string;
  let store: ObjectStore;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "delete-"));
    store = openFilesystemStore(root);
    for (const id of ["A", "B"])
      await store.put(backupInfoKey("pg", id), Buffer.from(info), { signal: AbortSignal.timeout(5_000) });
  });
  afterAll(() => rm(root, { recursive: true }));

  it("keeps its Backup, which says why, and says it once", async () => {
    const object = {
      metadata: { name: "minio", namespace: "db", uid: "s" },
      spec: { configuration: { destinationPath: "s3://b/" } },
    };
    let backup: Backup = {
      metadata: {
        name: "b",
        namespace: "db",
        uid: "u",
        finalizers: ["holdfast.dev/delete-data"],
        deletionTimestamp: "2026-11-26T12:00:00Z",
      },
      spec: {
        repository: { kind: "ObjectStore", name: "minio", serverName: "pg" },
        backupId: "A",
        deletionPolicy: "Delete",
      },
    };
    const said: string[] = [];
    const released: unknown[] = [];
    const none = { get: () => undefined, list: () => [], byIndex: () => [] };
    const readOnly: ObjectStore = {
      ...store,
      delete: () => Promise.reject(new StoreError("AccessDenied", "the key may not delete")),
    };
    const deps = {
      client: {
        get: async ({ kind }: Resource) => (kind === "Namespace" ? { metadata: { name: "db" } } : object),
        patch: async () => released.push(1),
      },
      events: { record: async () => undefined },
      openRepository: async () => ({
        repository: openBarmanRepository(readOnly),
        alone: <T>(_purpose: string, held: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => work(held),
      }),
      backups: { get: () => backup, list: () => [backup], byIndex: () => [] },
      stores: { ...none, get: () => object },
      stanzas: none,
      cnpgBackups: none,
      clusters: none,
      reports: none,
      catalogs: new Catalogs(),
      lookAt: () => undefined,
      say: async (_: Backup, message: string) => {
        const status = "False" as const;
        if (said.at(-1) === message) return;
        said.push(message);
        const ready = {
          type: "Ready",
          status,
          reason: "Progressing",
          message,
          lastTransitionTime: "2026-11-26T12:00:00Z",
        };
        backup = { ...backup, status: { conditions: [ready] } };
      },
    } as unknown as DeletionDeps;
    const reconcile = deletionReconcile(deps);
    const signal = AbortSignal.timeout(10_000);
    for (let times = 0; times < 3; times++)
      await expect(reconcile({ namespace: "db", name: "b" }, signal, pino({ level: "silent" }))).rejects.toThrow(
        "the key may not delete",
      );
    expect(said).toEqual([
      "its data is being deleted from the store",
      expect.stringMatching(/^its data cannot be deleted from the store: the key may not delete/),
    ]);
    expect(released).toEqual([]);
  });
});

describe("data of a Stanza whose repositories are renumbered while the deletion waits for its turn", () => {
  it("is not deleted by the old number", async () => {
    const repositoryIn = (bucket: string) => ({ bucket, endpoint: "minio:9000", region: "r", repoPath: "/repo" });
    const stanzaOf = (generation: number, ...buckets: string[]) => ({
      metadata: { name: "main", namespace: "db", uid: "s", generation },
      spec: { stanzaConfiguration: { name: "pg", s3Repositories: buckets.map(repositoryIn) } },
    });
    let stanza = stanzaOf(1, "one", "two");
    const cached = stanza;
    const backup: Backup = {
      metadata: {
        name: "b",
        namespace: "db",
        uid: "u",
        finalizers: ["holdfast.dev/delete-data"],
        deletionTimestamp: "2026-11-26T12:00:00Z",
      },
      spec: { repository: { kind: "Stanza", name: "main", serverName: "pg" }, backupId: "A", deletionPolicy: "Delete" },
      status: { selectedRepository: 2, destinationPath: "s3://two/repo", endpointURL: "minio:9000" },
    };
    const record = (id: string) => ({ id, repository: 2, status: "done", type: "full", tablespaces: [] });
    const removed: string[] = [];
    const opened: unknown[] = [];
    const none = { get: () => undefined, list: () => [], byIndex: () => [] };
    const deps = {
      client: { get: async ({ kind }: Resource) => (kind === "Namespace" ? { metadata: { name: "db" } } : stanza) },
      events: { record: async () => undefined },
      openRepository: async (_: unknown, { repository }: { repository?: number }) => {
        opened.push(repository);
        return {
          repository: {
            catalog: async () => ({ server: "pg", backups: [record("A"), record("B")], unreadable: [] }),
            holds: async () => [],
            removeBackup: async (_server: string, id: string) => removed.push(id),
          },
          alone: <T>(_purpose: string, held: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => {
            stanza = stanzaOf(2, "two", "one");
            return work(held);
          },
        };
      },
      backups: { get: () => backup, list: () => [backup], byIndex: () => [] },
      stanzas: { ...none, get: () => cached },
      stores: none,
      cnpgBackups: none,
      clusters: none,
      reports: none,
      catalogs: new Catalogs(),
      lookAt: () => undefined,
      say: async () => undefined,
    } as unknown as DeletionDeps;
    const signal = AbortSignal.timeout(10_000);
    const deletion = deletionReconcile(deps)({ namespace: "db", name: "b" }, signal, pino({ level: "silent" }));
    await expect(deletion).rejects.toThrow("Stanza main was changed while its backup was to be deleted");
    expect(opened).toEqual([2, 2]);
    expect(removed).toEqual([]);
  });
});
