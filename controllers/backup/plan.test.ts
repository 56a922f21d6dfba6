import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { finalizer, planBackup } from "./plan.ts";
import type { Check, Observed, Work } from "./terms.ts";

const createdAt = "2026-11-21T09:00:00Z";
/** Minutes after the creation. */
const after = (minutes: number): Date => new Date(Date.parse(createdAt) + minutes * 60_000);
const request: Backup = {
  metadata: { name: "b", namespace: "db", uid: "u", creationTimestamp: createdAt },
  spec: { cluster: { name: "pg" }, deadline: "6h" },
};
const repository = {
  kind: "ObjectStore" as const,
  name: "minio",
  uid: "u",
  serverName: "pg",
  destinationPath: "s3://backups/",
};
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
  planBackup({
    backup: request,
    cluster: "found",
    inStore: unknown,
    attempts: changes.work === undefined ? 0 : 1,
    unfinished: [],
    queue: { length: 0 },
    now: after(1),
    ...changes,
  });
const whole: Check = { kind: "whole", record, repository };
const work = (phase: string, changes: Partial<Work> = {}): Work => ({ name: "b", phase, ...changes });

describe("a requested backup", () => {
  it("asks CloudNativePG once", () => {
    expect(plan({}).actions.map((action) => action.kind)).toEqual(["createWork"]);
    expect(plan({ work: work("pending") }).actions).toEqual([]);
  });

  it("is full in an ObjectStore, and of a type in a Stanza only once somebody said so", () => {
    expect(plan({}).facts.type).toBe("full");
    expect(plan({ storeKind: "Stanza" }).facts).not.toHaveProperty("type");
    const diff = { ...request, spec: { ...request.spec, type: "diff", selectedRepository: 2 } as const };
    expect(plan({ storeKind: "Stanza", backup: diff }).facts).toMatchObject({ type: "diff", selectedRepository: 2 });
    const said = { type: "incr", typeReason: "the newest full is young", prior: "F" } as const;
    const done = plan({ storeKind: "Stanza", work: work("completed", { backupId: record.id, said }), check: whole });
    expect(done).toMatchObject({ verdict: { phase: "Completed" }, facts: { typeReason: said.typeReason } });
  });

  it("waits for a Cluster that does not exist yet and looks again", () => {
    const waiting = plan({ cluster: "missing" });
    expect(waiting).toMatchObject({
      actions: [],
      verdict: { phase: "Pending", reason: "ClusterNotFound" },
      requeueAfterMs: 30_000,
    });
  });

  it("waits behind others by name, with its place in a field", () => {
    const queued = plan({ queue: { length: 2, behind: "pg-first" } });
    expect(queued).toMatchObject({
      actions: [],
      verdict: { phase: "Pending", ready: "False", reason: "Queued" },
      facts: { queuePosition: 2 },
    });
    expect(queued.verdict.message).toContain("behind pg-first");
    expect(queued.verdict.message).not.toMatch(/\d/);
  });

  it("fails by name when the Cluster does not use the plugin, and when the spec is wrong", () => {
    expect(plan({ cluster: "no-plugin" }).verdict).toMatchObject({ phase: "Failed", reason: "PluginNotConfigured" });
    expect(plan({ invalid: "spec.typ: unknown field" }).verdict).toMatchObject({
      phase: "Failed",
      reason: "InvalidSpec",
    });
  });

  it("stands for the backup that it stood for when CNPG's object is made again under its name", () => {
    const mirror: Backup = {
      ...request,
      metadata: { ...request.metadata, labels: { "holdfast.dev/cnpg-backup": "b" } },
      status: { phase: "Completed", backupId: record.id, cnpgBackup: "b" },
    };
    const again = { backup: mirror, inStore: { kind: "older" } } as const;
    expect(plan({ ...again, work: work("completed", { backupId: "another" }) }).facts.backupId).toBe(record.id);
  });

  it("stays Completed with a spec that only another version takes", () => {
    const completed: Backup = { ...request, status: { phase: "Completed", backupId: record.id } };
    const inStore = { kind: "present", record, repository } as const;
    expect(plan({ backup: completed, invalid: "spec.future: unknown field", inStore }).verdict.phase).toBe("Completed");
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

  it("is not completed by what CloudNativePG or the catalog says, only by a look at the backup itself", () => {
    const finished = work("completed", { backupId: record.id });
    expect(plan({ work: finished }).verdict).toMatchObject({ phase: "Finalizing", ready: "Unknown" });
    expect(plan({ work: finished, inStore: { kind: "present", record, repository } }).verdict).toMatchObject({
      phase: "Finalizing",
      ready: "Unknown",
    });
    expect(plan({ work: finished, check: whole })).toMatchObject({
      verdict: { phase: "Completed", ready: "True", reason: "Succeeded" },
      facts: { duration: "3m12s", size: "4.1Gi", postgresVersion: "15.18", backupId: record.id, attempts: 1 },
    });
  });

  it.each(["MissingMetadata", "MissingData", "MissingWAL"] as const)("fails when the look finds %s", (reason) => {
    const check: Check = { kind: "broken", reason, message: "what is missing", repository };
    const failed = plan({ work: work("completed", { backupId: record.id }), check });
    expect(failed).toMatchObject({
      verdict: { phase: "Failed", ready: "False", reason, message: "what is missing" },
      facts: {
        backupId: record.id,
        serverName: "pg",
        repository: { kind: "ObjectStore", name: "minio", uid: "u" },
        error: "what is missing",
      },
    });
    expect(failed.requeueAfterMs).toBeGreaterThan(60_000);
  });

  it("is not known to be done while the store cannot be looked at, also past its deadline", () => {
    const check: Check = { kind: "unknown", reason: "EndpointUnreachable", message: "no answer" };
    const late = plan({ work: work("completed", { backupId: record.id }), check, now: after(999) });
    expect(late).toMatchObject({
      actions: [],
      verdict: { phase: "Finalizing", ready: "Unknown", reason: "EndpointUnreachable" },
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

  it("is cancelled when its CNPG Backup is deleted on the way, also a second attempt's", () => {
    const backup: Backup = { ...request, status: { phase: "Running", cnpgBackup: "b-2" } };
    const cancelled = { verdict: { phase: "Failed", ready: "False", reason: "Cancelled" }, actions: [] };
    expect(plan({ backup })).toMatchObject(cancelled);
    expect(plan({ backup, work: work("failed", { error: "EOF" }), attempts: 2 })).toMatchObject(cancelled);
  });

  it("passes its deadline: it fails and its work is cancelled, until there is none", () => {
    const running = { work: work("started"), unfinished: ["b"] };
    expect(plan({ ...running, now: after(359) })).toMatchObject({ actions: [], requeueAfterMs: 60_000 });
    const late = plan({ ...running, now: after(360) });
    expect(late).toMatchObject({
      actions: [{ kind: "cancelWork", names: ["b"] }],
      verdict: { phase: "Failed", ready: "False", reason: "DeadlineExceeded" },
    });
    expect(late.verdict.message).toContain("6h");
    const backup: Backup = { ...request, status: { phase: "Failed", cnpgBackup: "b" } };
    expect(plan({ ...running, backup, now: after(361) })).toMatchObject({ actions: [{ kind: "cancelWork" }] });
    expect(plan({ backup, now: after(361) })).toMatchObject({ actions: [], verdict: { phase: "Failed" } });
  });

  it("fails by its deadline in the queue too, and says behind what", () => {
    const { verdict } = plan({ queue: { length: 1, behind: "stuck" }, now: after(360) });
    expect(verdict).toMatchObject({ reason: "DeadlineExceeded", message: expect.stringContaining("behind stuck") });
  });

  it("ends no CNPG Backup that others made, however long it takes", () => {
    const backup: Backup = {
      ...request,
      metadata: { ...request.metadata, labels: { "holdfast.dev/cnpg-backup": "b" } },
    };
    expect(plan({ backup, work: work("started"), now: after(9999) })).toMatchObject({
      actions: [],
      verdict: { phase: "Running" },
    });
  });
});

describe("a failed attempt", () => {
  const away = "rpc error: code = Unavailable desc = storing the backup failed: no answer";
  const retrying: Backup = { ...request, spec: { ...request.spec, retryLimit: 2 } };
  const failed = (changes: Partial<Observed> = {}) =>
    plan({ backup: retrying, work: work("failed", { error: away }), ...changes });

  it("is the end without a retry limit", () => {
    expect(failed({ backup: request }).verdict).toMatchObject({ phase: "Failed", reason: "EngineError" });
  });

  it("is followed by another after a while, which bears a number", () => {
    const waiting = failed();
    expect(waiting).toMatchObject({
      actions: [],
      verdict: { phase: "Pending", ready: "False", reason: "Retrying" },
      facts: { attempts: 1, nextAttemptAt: "2026-11-21T09:01:30Z", error: "storing the backup failed: no answer" },
      requeueAfterMs: 30_000,
    });
    const backup: Backup = { ...retrying, status: { phase: "Pending", cnpgBackup: "b", ...waiting.facts } };
    expect(failed({ backup, now: after(1.2) })).toMatchObject({ actions: [], requeueAfterMs: 18_000 });
    expect(failed({ backup, now: after(2) }).actions).toMatchObject([{ kind: "createWork", attempt: 2 }]);
  });

  it("waits its turn again", () => {
    const backup: Backup = { ...retrying, status: { phase: "Pending", nextAttemptAt: "2026-11-21T09:01:30Z" } };
    const queued = failed({ backup, now: after(2), queue: { length: 1, behind: "other" } });
    expect(queued).toMatchObject({ actions: [], verdict: { reason: "Queued" } });
  });

  it("is the end at the limit, at the deadline, and when time would not help", () => {
    expect(failed({ attempts: 3 }).verdict.phase).toBe("Failed");
    expect(failed({ now: after(359.8) }).verdict).toMatchObject({ phase: "Failed", reason: "EngineError" });
    const refused = "rpc error: code = FailedPrecondition desc = NotTheArchiver: another archives";
    expect(failed({ work: work("failed", { error: refused }) }).verdict).toMatchObject({
      phase: "Failed",
      reason: "NotTheArchiver",
    });
  });
});

describe("the finalizer", () => {
  const withPolicy = (deletionPolicy: "Retain" | "Delete", finalizers: readonly string[]) =>
    plan({
      backup: { ...request, metadata: { ...request.metadata, finalizers }, spec: { ...request.spec, deletionPolicy } },
      work: work("started"),
    }).actions.map(({ kind }) => kind);

  it("leaves a request that is deleted when the policy is Retain again, and nothing is begun for it", () => {
    const deleted: Backup = {
      ...request,
      metadata: { ...request.metadata, finalizers: [finalizer], deletionTimestamp: createdAt },
    };
    expect(plan({ backup: deleted }).actions.map(({ kind }) => kind)).toEqual(["releaseDeletion"]);
  });

  it("stands while the policy is Delete, and only then", () => {
    expect(withPolicy("Delete", [])).toEqual(["holdDeletion"]);
    expect(withPolicy("Delete", [finalizer])).toEqual([]);
    expect(withPolicy("Retain", [finalizer, "other/one"])).toEqual(["releaseDeletion"]);
    expect(withPolicy("Retain", ["other/one"])).toEqual([]);
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
    expect(plan({ backup: completed, inStore: { kind: "absent", repository, dataLeft: false } }).verdict).toMatchObject(
      {
        phase: "Missing",
        ready: "False",
      },
    );
    expect(plan({ backup: completed, inStore: unknown }).verdict).toMatchObject({
      phase: "Completed",
      ready: "Unknown",
    });
  });

  it("names what is missing when data is left, and is Completed again when it is back", () => {
    const completed: Backup = { ...request, status: { phase: "Completed", backupId: record.id } };
    expect(plan({ backup: completed, inStore: { kind: "absent", repository, dataLeft: true } }).verdict).toMatchObject({
      phase: "Missing",
      ready: "False",
      reason: "MissingMetadata",
    });
    const missing: Backup = { ...request, status: { phase: "Missing", backupId: record.id } };
    const back = { backup: missing, inStore: { kind: "present", record, repository } } as const;
    expect(plan({ ...back, check: whole }).verdict.phase).toBe("Completed");
    // Its metadata alone is no backup.
    const broken = { kind: "broken", reason: "MissingData", message: "there is no data.tar", repository } as const;
    expect(plan({ ...back, check: broken }).verdict).toMatchObject({ phase: "Failed", reason: "MissingData" });
  });

  it("stands as it was told before another leader has read the store, and is unknown when nothing was told", () => {
    const unread = { kind: "unread", message: "store minio has not been read yet" } as const;
    const ready = { type: "Ready", reason: "Missing", message: "it is gone", lastTransitionTime: createdAt } as const;
    const missing: Backup = {
      ...backup,
      status: { phase: "Missing", backupId: record.id, conditions: [{ ...ready, status: "False" }] },
    };
    expect(plan({ backup: missing, inStore: unread }).verdict).toEqual({
      phase: "Missing",
      ready: "False",
      reason: "Missing",
      message: "it is gone",
    });
    expect(plan({ backup, inStore: unread }).verdict).toMatchObject({ ready: "Unknown", message: unread.message });
  });

  it("is judged by no look that is older than its completion", () => {
    const ready = {
      type: "Ready",
      status: "True",
      reason: "Succeeded",
      message: "it is there",
      lastTransitionTime: createdAt,
    } as const;
    const completed: Backup = {
      ...request,
      status: { phase: "Completed", backupId: record.id, conditions: [ready] },
    };
    expect(plan({ backup: completed, inStore: { kind: "older" } }).verdict).toEqual({
      phase: "Completed",
      ready: "True",
      reason: "Succeeded",
      message: "it is there",
    });
  });
});
