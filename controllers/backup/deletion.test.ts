import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import { decodeBackup } from "#cnpg/backup.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { StoreObject } from "../repositories.ts";
import { isWorkOf, planDeletion, type DeletionFacts, type StoreState } from "./deletion.ts";
import { hasMoved } from "./moved.ts";

const backup: Backup = {
  metadata: { name: "b", namespace: "db", creationTimestamp: "2026-11-21T09:00:00Z" },
  spec: { cluster: { name: "pg" }, deletionPolicy: "Delete" },
};
const record = (id: string, changes: Partial<BackupRecord> = {}): BackupRecord => ({
  id,
  status: "done",
  type: "full",
  tablespaces: [],
  ...changes,
});
const read = (
  backups: readonly BackupRecord[],
  changes: { readonly holds?: ReadonlyMap<string, readonly string[]>; readonly unreadable?: string } = {},
): StoreState => ({
  kind: "read",
  catalog: {
    server: "pg",
    backups,
    unreadable: changes.unreadable === undefined ? [] : [{ id: changes.unreadable, error: "damaged" }],
  },
  holds: changes.holds ?? new Map(),
});
const plan = (changes: Partial<DeletionFacts>) =>
  planDeletion({
    backup,
    id: "A",
    began: true,
    namespaceTerminating: false,
    running: false,
    others: new Map(),
    broken: new Set(),
    restoring: new Set(),
    store: read([record("A"), record("B")]),
    ...changes,
  });
const idsOf = (planned: ReturnType<typeof plan>) =>
  planned.kind === "delete" ? planned.records.map(({ id }) => id) : planned.kind;

describe("a deleted Backup whose data goes with it", () => {
  it("loses exactly its own data", () => {
    expect(idsOf(plan({}))).toEqual(["A"]);
  });

  it.each<[string, Partial<DeletionFacts>, RegExp]>([
    ["the namespace goes", { namespaceTerminating: true }, /namespace/],
    ["the store cannot be used", { store: { kind: "unusable", why: "ObjectStore minio does not exist" } }, /minio/],
    ["it is the last that counts", { store: read([record("A"), record("B", { status: "failed" })]) }, /last backup/],
    ["it is the last that was not found broken", { broken: new Set(["B"]) }, /last backup/],
    [
      "the other has damaged pages",
      { store: read([record("A"), record("B", { hasPageErrors: true })]) },
      /last backup/,
    ],
    ["another Backup stands for it", { others: new Map([["A", "twin"]]) }, /Backup twin stands/],
    ["a restore reads it", { restoring: new Set(["A"]) }, /A is being restored/],
    ["the catalog cannot be trusted", { store: read([record("A"), record("C")], { unreadable: "B" }) }, /B cannot be/],
    [
      "it is held",
      { store: read([record("A"), record("B")], { holds: new Map([["A", ["pg/holdfast/holds/A"]]]) }) },
      /held by pg\/holdfast\/holds\/A/,
    ],
  ])("keeps it when %s", (_, facts, why) => {
    expect(plan(facts)).toMatchObject({ kind: "retain", why: expect.stringMatching(why) });
  });

  it("waits until its running work is given up", () => {
    expect(plan({ running: true, id: undefined })).toMatchObject({ kind: "wait" });
  });

  it("has nothing to lose when the store has nothing of it", () => {
    expect(plan({ id: "gone" }).kind).toBe("nothing");
    expect(plan({ id: undefined }).kind).toBe("nothing");
    const store: StoreState = { kind: "unusable", why: "ObjectStore minio does not exist" };
    expect(plan({ id: undefined, began: false, store }).kind).toBe("nothing");
  });

  it("takes along what its failed attempts left, and nobody else's", () => {
    const beginTime = new Date("2026-11-21T09:05:00Z");
    const left = record("L", { status: "failed", name: "b", beginTime });
    const store = read([
      record("A"),
      record("B"),
      left,
      record("M", { status: "failed", name: "b", beginTime }),
      record("N", { status: "failed", name: "b", beginTime: new Date("2026-11-20T09:00:00Z") }),
      record("O", { status: "failed", name: "other", beginTime }),
      record("P", { name: "b", beginTime }),
    ]);
    expect(idsOf(plan({ store, others: new Map([["M", "other"]]) }))).toEqual(["A", "L"]);
  });

  it("takes along CNPG's object of this very backup, not that of a replica cluster from the same second", () => {
    const work = (cluster: string, backupId = "A", systemID = "7") =>
      decodeBackup({
        metadata: { name: "w", namespace: "db" },
        spec: { cluster: { name: cluster }, method: "plugin", pluginConfiguration: { name: "holdfast.dev" } },
        status: { phase: "completed", backupId, pluginMetadata: { systemID } },
      });
    const own = record("A", { systemId: "7" });
    const found: Backup = {
      metadata: { name: "b", labels: { "cnpg.io/cluster": "pg" } },
      spec: { repository: { kind: "ObjectStore", name: "minio", serverName: "pg" }, backupId: "A" },
    };
    for (const one of [backup, found]) {
      expect(isWorkOf(work("pg"), own, one)).toBe(true);
      expect(isWorkOf(work("replica"), own, one)).toBe(false);
      expect(isWorkOf(work("pg", "B"), own, one)).toBe(false);
      expect(isWorkOf(work("pg", "A", "8"), own, one)).toBe(false);
    }
  });

  it("is not looked for in a store that leads elsewhere by now", () => {
    const store = (destinationPath: string, endpointURL?: string): StoreObject => ({
      kind: "ObjectStore",
      object: {
        metadata: { name: "minio", namespace: "db" },
        spec: { configuration: { destinationPath, ...(endpointURL !== undefined && { endpointURL }) } },
      },
    });
    const seen: Backup = { ...backup, status: { destinationPath: "s3://a/", endpointURL: "http://minio" } };
    expect(hasMoved(seen, store("s3://a/", "http://minio"))).toBe(false);
    expect(hasMoved(seen, store("s3://b/", "http://minio"))).toBe(true);
    expect(hasMoved(seen, store("s3://a/"))).toBe(true);
    expect(hasMoved(backup, store("s3://a/"))).toBe(false);
  });

  it("stays while others build on it, whatever lies between, and goes when nothing does", () => {
    const of = (id: string, type: BackupRecord["type"], prior?: string, repository = 1): BackupRecord =>
      record(id, { type, repository, ...(prior !== undefined && { prior }) });
    const chain = [of("A", "full"), of("D", "diff", "A"), of("I", "incr", "D"), of("F", "full")];
    expect(plan({ store: read(chain) })).toMatchObject({
      kind: "retain",
      why: "D, I cannot be restored without it",
    });
    expect(idsOf(plan({ id: "I", store: read(chain) }))).toEqual(["I"]);
    expect(idsOf(plan({ id: "F", store: read(chain) }))).toEqual(["F"]);
  });

  it("stays as the last full backup of its repository, though another repository has one", () => {
    const of = (id: string, repository: number): BackupRecord => record(id, { repository });
    expect(plan({ store: read([of("A", 2), of("B", 1)]) })).toMatchObject({
      kind: "retain",
      why: "it is the last full backup of repository 2",
    });
    expect(idsOf(plan({ store: read([of("A", 2), of("B", 2)]) }))).toEqual(["A"]);
  });

  it("goes on with what an interrupted deletion left, though it counts no more", () => {
    expect(idsOf(plan({ store: read([record("A", { status: "incomplete" }), record("B")]) }))).toEqual(["A"]);
  });
});
