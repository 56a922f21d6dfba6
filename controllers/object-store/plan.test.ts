import { describe, expect, it } from "vitest";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { checkNames, passed } from "#store/check.ts";
import { isContradicted } from "../archive/conditions.ts";
import type { ObservedServer } from "../archive/plan.ts";
import type { Problem } from "../opening-problem.ts";
import { planStore, type ObservedStore, type StoreContent } from "./plan.ts";

const now = new Date("2026-11-21T12:00:00Z");
const store: ObjectStore = {
  metadata: { name: "minio", namespace: "db", uid: "u" },
  spec: { configuration: { destinationPath: "s3://b" } },
};
const backup = (id: string, changes: Partial<BackupRecord> = {}): BackupRecord => ({
  id,
  status: "done",
  type: "full",
  endTime: new Date("2026-11-20T00:00:00Z"),
  tablespaces: [],
  ...changes,
});
const server = (backups: readonly BackupRecord[], changes: Partial<ObservedServer> = {}): ObservedServer => ({
  server: "pg",
  catalog: { server: "pg", backups, unreadable: [] },
  ...changes,
});
const usable = (...servers: ObservedServer[]): StoreContent => ({ kind: "usable", servers, conditionalPut: true });
const checks = checkNames.map((name) => passed(name, "good"));
const plan = (content: StoreContent | Problem, changes: Partial<ObservedStore> = {}) =>
  planStore({ store, checks, content, archives: [], backups: [], clusters: new Map(), now, ...changes });
const report = (entry: object): InstanceReport => ({
  metadata: { name: "pg" },
  status: { instances: { "pg-1": { role: "primary", reportedAt: "2026-11-21T11:59:30Z", ...entry } } },
});
const living = (entry: object) => ({ clusters: new Map([["pg", [{ name: "pg", report: report(entry) }]]]) });
const ready = (verdicts: readonly { type: string }[]) => verdicts.find((verdict) => verdict.type === "Ready");

describe("an object store", () => {
  it("is Ready when it can be used, broken when it refused us, unknown when it did not answer", () => {
    expect(ready(plan(usable()).verdicts)).toMatchObject({ status: "True", reason: "Succeeded" });
    const refused = plan({ kind: "refused", reason: "AccessDenied", message: "wrong key" });
    expect(ready(refused.verdicts)).toMatchObject({ status: "False", reason: "AccessDenied" });
    const silent = plan({ kind: "unknown", reason: "EndpointUnreachable", message: "no answer" });
    expect(ready(silent.verdicts)).toMatchObject({ status: "Unknown", reason: "EndpointUnreachable" });
  });

  it("keeps the facts it read before when it cannot be read, and says that its archives are unknown", () => {
    const seen: ObjectStore = { ...store, status: { serverCount: 3 } };
    const archive: Archive = {
      metadata: { name: "minio-pg" },
      status: { repository: { kind: "ObjectStore", name: "minio", uid: "u" }, windowFrom: "2026-11-01T00:00:00Z" },
    };
    const silent = plan(
      { kind: "unknown", reason: "EndpointUnreachable", message: "no answer" },
      { store: seen, archives: [archive] },
    );
    expect(silent.facts.serverCount).toBe(3);
    expect(silent.archives[0]?.facts.windowFrom).toBe("2026-11-01T00:00:00Z");
    expect(silent.archives[0]?.verdicts.map((verdict) => verdict.status)).toEqual(["Unknown", "Unknown"]);
  });

  it("sums up its servers: the newest moments, and a size only when every backup says its own", () => {
    const wal = (time: string) => ({ newestWal: { name: "0".repeat(24), time: new Date(time) } });
    const small = server([backup("1", { storedBytes: 1024 })], wal("2026-11-21T11:00:00Z"));
    const large = server([backup("2", { storedBytes: 4 * 1024 ** 3 })], wal("2026-11-21T11:30:00Z"));
    expect(plan(usable(small, large)).facts).toMatchObject({
      serverCount: 2,
      lastBackupTime: "2026-11-20T00:00:00Z",
      lastWalTime: "2026-11-21T11:30:00Z",
      backupBytes: 4 * 1024 ** 3 + 1024,
      backupSize: "4.0Gi",
    });
    expect(plan(usable(small, server([backup("3")]))).facts).not.toHaveProperty("backupBytes");
  });

  it("shows no check of a store that could not be opened, whatever was shown before", () => {
    const seen: ObjectStore = { ...store, status: { checks: [passed("List", "good")] } };
    const missing = { kind: "refused", reason: "SecretNotFound", message: "secret x does not exist" } as const;
    expect(plan(missing, { store: seen, checks: [] }).facts).not.toHaveProperty("checks");
  });
});

describe("the archive of a server", () => {
  it("is not ready without a backup that counts: a failed one does not", () => {
    const [archive] = plan(usable(server([backup("1", { status: "failed" })]))).archives;
    expect(ready(archive!.verdicts)).toMatchObject({ status: "False", reason: "NoBackup" });
    expect(archive!.facts).toMatchObject({ backups: 0, failedBackups: 1 });
  });

  it("is ready with a backup and a primary whose WAL arrives", () => {
    const [archive] = plan(usable(server([backup("1")])), living({ readyFiles: 2 })).archives;
    expect(ready(archive!.verdicts)).toMatchObject({ status: "True" });
    expect(archive!.facts).toMatchObject({ cluster: { name: "pg", living: true }, readyFiles: 2 });
    // How many there are is a fact of its own: the message stays.
    const [more] = plan(usable(server([backup("1"), backup("2")])), living({ readyFiles: 2 })).archives;
    expect(ready(more!.verdicts)).toEqual(ready(archive!.verdicts));
  });

  it("tells whose it was when no cluster archives to it any more", () => {
    const owner = { systemID: "7", cluster: { namespace: "db", name: "gone", uid: "of the cluster" } };
    const [archive] = plan(usable(server([backup("1")], { owner }))).archives;
    expect(archive!.facts.cluster).toEqual({ namespace: "db", name: "gone", living: false });
  });

  it("stands for its owner when another cluster is told to archive under the same name", () => {
    const owner = { systemID: "7", cluster: { namespace: "db", name: "pg" } };
    const intruder = { name: "intruder", report: report({ archiveError: "the archive belongs to pg" }) };
    const clusters = new Map([["pg", [intruder, { name: "pg", report: report({}) }]]]);
    const [archive] = plan(usable(server([backup("1")], { owner })), { clusters }).archives;
    expect(archive!.facts.cluster).toEqual({ name: "pg", living: true });
    expect(ready(archive!.verdicts)).toMatchObject({ status: "True" });
  });

  it("names what stops the primary's WAL", () => {
    const [archive] = plan(usable(server([backup("1")])), living({ archiveError: "disk on fire" })).archives;
    expect(ready(archive!.verdicts)).toMatchObject({
      status: "False",
      reason: "ArchiveFailing",
      message: "Archiving: disk on fire",
    });
  });

  it("does not take an old report for health", () => {
    const [archive] = plan(usable(server([backup("1")])), living({ reportedAt: "2026-11-21T11:50:00Z" })).archives;
    expect(ready(archive!.verdicts)).toMatchObject({ status: "Unknown", reason: "NoReport" });
  });

  it("is looked at again right when the primary's report becomes too old, and no sooner for one that is", () => {
    const requeueAfterMs = (reportedAt: string): number =>
      plan(usable(server([backup("1")])), living({ reportedAt })).requeueAfterMs;
    expect(requeueAfterMs("2026-11-21T11:58:20Z")).toBe(21_000);
    expect(requeueAfterMs("2026-11-21T11:50:00Z")).toBeGreaterThanOrEqual(55_000);
  });

  it("is contradicted by a report that brings news of its own cluster's archiving", () => {
    const archive = (status: "True" | "Unknown", cluster = "pg"): Archive => ({
      metadata: { name: "minio-pg" },
      status: {
        cluster: { name: cluster, living: true },
        conditions: [
          {
            type: "Archiving",
            status,
            reason: status === "True" ? "Succeeded" : "NoReport",
            message: "the primary's WAL reaches the store",
            lastTransitionTime: "2026-11-21T11:00:00Z",
          },
        ],
      },
    });
    expect(isContradicted(archive("Unknown"), report({}), now)).toBe(true);
    expect(isContradicted(archive("True"), report({ archiveWarning: "the spool is full" }), now)).toBe(true);
    expect(isContradicted(archive("True"), report({}), now)).toBe(false);
    expect(isContradicted(archive("True"), report({ archiveError: "no answer" }), now)).toBe(true);
    expect(isContradicted(archive("Unknown", "other"), report({}), now)).toBe(false);
    expect(isContradicted({ metadata: { name: "minio-pg" } }, report({}), now)).toBe(false);
  });

  it("says when the catalog cannot be read whole", () => {
    const broken = {
      ...server([backup("1")]),
      catalog: { server: "pg", backups: [backup("1")], unreadable: [{ id: "2", error: "garbage" }] },
    };
    expect(ready(plan(usable(broken)).archives[0]!.verdicts)).toMatchObject({
      status: "False",
      reason: "MetadataUnreadable",
    });
  });
});

describe("records of backups found in a store", () => {
  const names = (content: StoreContent, backups: readonly Backup[] = []) =>
    plan(content, { backups }).records.map((record) => record.object.metadata.name);

  it("come back under the name that the store keeps, others under server and id", () => {
    expect(names(usable(server([backup("20261121T091500", { name: "nightly" })])))).toEqual(["nightly"]);
    expect(names(usable(server([backup("20261121T091500")])))).toEqual(["pg-20261121t091500"]);
    // Barman reads any folder as a backup; a name has no such letters.
    expect(names(usable(server([backup("Before_Upgrade")])))).toEqual([
      expect.stringMatching(/^pg-before-upgrade-[0-9a-f]{5}$/),
    ]);
  });

  it("are made once: not for a backup that a record or a request stands for", () => {
    const check = usable(server([backup("20261121T091500", { name: "b" })]));
    const record: Backup = {
      metadata: { name: "x" },
      spec: { repository: { kind: "ObjectStore", name: "minio", serverName: "pg" }, backupId: "20261121T091500" },
    };
    const finished: Backup = {
      metadata: { name: "b" },
      spec: { cluster: { name: "pg" } },
      status: {
        backupId: "20261121T091500",
        serverName: "pg",
        repository: { kind: "ObjectStore", name: "minio", uid: "u" },
      },
    };
    const running: Backup = { metadata: { name: "b" }, spec: { cluster: { name: "pg" } } };
    const ofStoreBefore: Backup = {
      ...finished,
      status: { ...finished.status, repository: { kind: "ObjectStore", name: "minio", uid: "of the store before" } },
    };
    for (const known of [record, finished, running, ofStoreBefore]) expect(names(check, [known])).toEqual([]);
  });

  it("and Archives bear the store's name as a label only where it can be one", () => {
    const labelsOf = (name: string) => {
      const named = { ...store, metadata: { ...store.metadata, name } };
      const { archives, records } = plan(usable(server([backup("20261121T091500")])), { store: named });
      return [archives[0]?.labels, records[0]?.object.metadata.labels].map((all) => all?.["holdfast.dev/store"]);
    };
    expect(labelsOf("minio")).toEqual(["minio", "minio"]);
    expect(labelsOf("m".repeat(64))).toEqual([undefined, undefined]);
  });

  it("do not take a name that something else has", () => {
    const other: Backup = {
      metadata: { name: "nightly" },
      spec: { cluster: { name: "other" } },
      status: { backupId: "9", serverName: "other" },
    };
    const [name] = names(usable(server([backup("20261121T091500", { name: "nightly" })])), [other]);
    expect(name).toMatch(/^nightly-[0-9a-f]{5}$/);
  });

  it("keep their own name beside failed attempts that bear it too; those have no record of their own", () => {
    const check = usable(
      server([
        backup("20261121T090000", { name: "nightly", status: "failed" }),
        backup("20261121T091500", { name: "nightly" }),
      ]),
    );
    const made = plan(check, { backups: [] }).records;
    expect(made.map(({ object }) => [object.metadata.name, object.spec.backupId])).toEqual([
      ["nightly", "20261121T091500"],
    ]);
    const failed: Backup = {
      metadata: { name: "nightly" },
      spec: { cluster: { name: "pg" } },
      status: { phase: "Failed" },
    };
    const only = usable(server([backup("20261121T090000", { name: "nightly", status: "failed" })]));
    expect(names(only, [failed])).toEqual([]);
    expect(names(only)).toEqual(["nightly"]);
  });

  it("are made for a backup that counts although its request failed", () => {
    const failed: Backup = {
      metadata: { name: "nightly" },
      spec: { cluster: { name: "pg" } },
      status: { phase: "Failed" },
    };
    const [name] = names(usable(server([backup("20261121T091500", { name: "nightly" })])), [failed]);
    expect(name).toMatch(/^nightly-[0-9a-f]{5}$/);
  });

  it("wait for a record of CloudNativePG's own backup that has another name", () => {
    const mirror: Backup = {
      metadata: { name: "theirs-1a2b3", labels: { "holdfast.dev/cnpg-backup": "theirs" } },
      spec: { cluster: { name: "pg" } },
    };
    expect(names(usable(server([backup("20261121T091500", { name: "theirs" })])), [mirror])).toEqual([]);
  });
});
