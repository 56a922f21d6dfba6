import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { planBackup, type Observed, type Work } from "./plan.ts";

const request: Backup = { metadata: { name: "b", namespace: "db" }, spec: { cluster: { name: "pg" } } };
const repository = { name: "minio", uid: "u", serverName: "pg", destinationPath: "s3://backups/" };
const record: BackupRecord = {
  id: "20261121T091500",
  status: "done",
  type: "full",
  beginTime: new Date("2026-11-21T09:15:00Z"),
  endTime: new Date("2026-11-21T09:18:12Z"),
  postgresVersion: 150_018,
  sizeBytes: 4_400_000_000,
  tablespaces: [],
};
const unknown = { kind: "unknown", reason: "Progressing", message: "the store has not been read yet" } as const;
const plan = (changes: Partial<Observed>) =>
  planBackup({ backup: request, cluster: "found", inStore: unknown, ...changes });
const work = (phase: string, changes: Partial<Work> = {}): Work => ({ name: "b", phase, ...changes });

describe("a requested backup", () => {
  it("asks CloudNativePG once", () => {
    expect(plan({}).actions.map((action) => action.kind)).toEqual(["createWork"]);
    expect(plan({ work: work("pending") }).actions).toEqual([]);
  });

  it("waits for a Cluster that does not exist yet and looks again", () => {
    const waiting = plan({ cluster: "missing" });
    expect(waiting).toMatchObject({
      actions: [],
      verdict: { phase: "Pending", reason: "ClusterNotFound" },
      requeueAfterMs: 30_000,
    });
  });

  it("fails by name when the Cluster does not use the plugin, and when the spec is wrong", () => {
    expect(plan({ cluster: "no-plugin" }).verdict).toMatchObject({ phase: "Failed", reason: "PluginNotConfigured" });
    expect(plan({ invalid: "spec.typ: unknown field" }).verdict).toMatchObject({
      phase: "Failed",
      reason: "InvalidSpec",
    });
  });

  it("shows progress, and what it waits for once the files are copied", () => {
    expect(
      plan({ work: work("started", { instance: "pg-2" }), progress: { bytesDone: 1, bytesTotal: 2 } }),
    ).toMatchObject({
      verdict: { phase: "Running", ready: "False" },
      facts: { bytesDone: 1, bytesTotal: 2, instance: "pg-2" },
    });
    const waiting = plan({ work: work("started"), progress: { waitingForSegment: "000000010000000000000007" } });
    expect(waiting.verdict.phase).toBe("Finalizing");
    expect(waiting.verdict.message).toContain("000000010000000000000007");
  });

  it("is not completed by what CloudNativePG says, only by the store", () => {
    const finished = work("completed", { backupId: record.id });
    expect(plan({ work: finished }).verdict).toMatchObject({ phase: "Finalizing", ready: "Unknown" });
    expect(plan({ work: finished, inStore: { kind: "absent", repository } }).verdict).toMatchObject({
      phase: "Finalizing",
      reason: "NotInStore",
    });
    expect(plan({ work: finished, inStore: { kind: "present", record, repository } })).toMatchObject({
      verdict: { phase: "Completed", ready: "True", reason: "Succeeded" },
      facts: { duration: "3m12s", size: "4.1Gi", postgresVersion: "15.18", backupId: record.id },
    });
  });

  it("says the sidecar's words when it failed", () => {
    const failed = plan({
      work: work("failed", {
        error: "rpc error: code = FailedPrecondition desc = tablespaces are not supported yet: tbs",
      }),
    });
    expect(failed.verdict).toMatchObject({ phase: "Failed", message: "tablespaces are not supported yet: tbs" });
  });

  it("does not call an unknown phase of a newer CloudNativePG a failure", () => {
    expect(plan({ work: work("somethingNew") }).verdict).toMatchObject({ phase: "Running", ready: "Unknown" });
  });

  it("fails when its CNPG Backup was deleted on the way", () => {
    const backup: Backup = { ...request, status: { phase: "Running", cnpgBackup: "b" } };
    expect(plan({ backup }).verdict).toMatchObject({ phase: "Failed", ready: "False" });
  });
});

describe("the record of a backup in a store", () => {
  const backup: Backup = {
    metadata: { name: "r", namespace: "db" },
    spec: { repository: { kind: "ObjectStore", name: "minio", serverName: "pg" }, backupId: record.id },
  };

  it("is Completed only with status done", () => {
    expect(plan({ backup, inStore: { kind: "present", record, repository } }).verdict.phase).toBe("Completed");
    const failed = { ...record, status: "failed", error: "disk full" } as const;
    expect(plan({ backup, inStore: { kind: "present", record: failed, repository } }).verdict).toMatchObject({
      phase: "Failed",
      message: "disk full",
    });
  });

  it("is Missing when the store proves that it is gone, and only unknown when the store cannot be read", () => {
    const completed: Backup = { ...backup, status: { phase: "Completed", backupId: record.id } };
    expect(plan({ backup: completed, inStore: { kind: "absent", repository } }).verdict).toMatchObject({
      phase: "Missing",
      ready: "False",
    });
    expect(plan({ backup: completed, inStore: unknown }).verdict).toMatchObject({
      phase: "Completed",
      ready: "Unknown",
    });
  });
});
