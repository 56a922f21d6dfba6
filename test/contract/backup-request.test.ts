// Requests for backups, their queue, and what becomes of data when a Backup is deleted: the operator's own controllers on
// a real API server and a real MinIO.
import { describe, expect, it } from "vitest";
import { backups } from "#api/kinds.ts";
import type { Backup } from "#api/gen/backup.ts";
import { namespace, useBackupOperator } from "./backup-operator.ts";
import { waitUntil } from "./api-server.ts";
import { signal } from "./kube-widget.ts";

const operator = useBackupOperator();
const conditionsOf = (backup: Backup) =>
  Object.fromEntries((backup.status?.conditions ?? []).map(({ type, status, reason }) => [type, [status, reason]]));

describe("a requested backup", () => {
  it("waits its turn, shows its progress, and is Completed by what the store has", async () => {
    await operator.makeCluster("pg");
    await operator.request("one", "pg");
    await operator.say("one", { phase: "started", instanceID: { podName: "pg-1" } });
    await operator.request("two", "pg");
    await waitUntil("two is queued", async () => (await operator.backup("two"))?.status?.queuePosition === 1);
    const queued = (await operator.backup("two"))!;
    expect(conditionsOf(queued)).toEqual({ Ready: ["False", "Queued"], Reconciling: ["True", "Queued"] });
    expect(operator.ready(queued)?.message).toContain("behind one");
    expect(await operator.cnpgBackup("two")).toBeUndefined();

    const mebibyte = 1024 ** 2;
    const at = Date.now();
    const running = { name: "one", bytesTotal: 4 * 1024 * mebibyte };
    await operator.report("pg", { ...running, bytesDone: 100 * mebibyte }, new Date(at - 10_000));
    await waitUntil(
      "progress is shown",
      async () => (await operator.backup("one"))?.status?.progress === "100Mi/4.0Gi",
    );
    await operator.report("pg", { ...running, bytesDone: 1124 * mebibyte }, new Date(at));
    await waitUntil("the rate is shown", async () => {
      const { status } = (await operator.backup("one"))!;
      return status?.progress === "1.1Gi/4.0Gi 102Mi/s" && status.phase === "Running";
    });

    await operator.put("pg", "20261121T095409", "one");
    await operator.completed("one", "20261121T095409");
    const one = await operator.untilPhase("one", "Completed");
    expect(one.status).toMatchObject({ backupId: "20261121T095409", backupName: "one", attempts: 1 });
    expect(one.status).not.toHaveProperty("progress");
    expect(conditionsOf(one)).toEqual({ Ready: ["True", "Succeeded"] });
    // The sidecar has not said yet that it is through.
    expect(await operator.cnpgBackup("two")).toBeUndefined();
    await operator.report("pg", undefined);
    await waitUntil("two has its turn", async () => (await operator.cnpgBackup("two")) !== undefined);
    await operator.put("pg", "20261122T095409", "two");
    await operator.completed("two", "20261122T095409");
    await operator.untilPhase("two", "Completed");
    const { items } = await operator.client.list<Backup>(backups, { namespace, signal: signal() });
    expect(items.map(({ metadata }) => metadata.name).sort(), "one record a backup").toEqual(["one", "two"]);
  });

  it.each([
    ["info", "MissingMetadata"],
    ["data", "MissingData"],
    ["wal", "MissingWAL"],
  ] as const)("fails when CNPG completes it and its %s is not in the store", async (what, reason) => {
    const name = `without-${what}`;
    await operator.makeCluster(name);
    await operator.request(name, name);
    await operator.put(name, "20261121T095409", name, [what]);
    await operator.completed(name, "20261121T095409");
    const failed = await operator.untilPhase(name, "Failed");
    expect(conditionsOf(failed)).toEqual({ Ready: ["False", reason], Stalled: ["True", reason] });
  });

  it("is Missing, and says why, when its backup.info is deleted after its completion", async () => {
    await operator.makeCluster("fading");
    await operator.request("fading", "fading");
    await operator.put("fading", "20261121T095409", "fading");
    await operator.completed("fading", "20261121T095409");
    await operator.untilPhase("fading", "Completed");
    await operator.store.delete(["fading/base/20261121T095409/backup.info"], { signal: signal() });
    await operator.look();
    const missing = await operator.untilPhase("fading", "Missing");
    expect(conditionsOf(missing)).toEqual({
      Ready: ["False", "MissingMetadata"],
      Stalled: ["True", "MissingMetadata"],
    });

    await operator.put("fading", "20261121T095409", "fading");
    await operator.look();
    await operator.untilPhase("fading", "Completed");
    await operator.store.delete(await operator.keysOf("fading/base/"), { signal: signal() });
    await operator.look();
    await operator.untilPhase("fading", "Missing");
    await operator.put("fading", "20261121T095409", "fading", ["data"]);
    await operator.look();
    const failed = await operator.untilPhase("fading", "Failed");
    expect(conditionsOf(failed)).toMatchObject({ Ready: ["False", "MissingData"] });
  });

  it("is tried again under another CNPG name when a failure may pass", async () => {
    await operator.makeCluster("flaky");
    await operator.request("flaky", "flaky", { retryLimit: 1 });
    await operator.say("flaky", { phase: "failed", error: "rpc error: code = Unavailable desc = no answer" });
    await waitUntil("it waits", async () => (await operator.backup("flaky"))?.status?.nextAttemptAt !== undefined);
    expect(conditionsOf((await operator.backup("flaky"))!)["Ready"]).toEqual(["False", "Retrying"]);
    const second = async () => (await operator.backup("flaky"))?.status?.cnpgBackup ?? "";
    await waitUntil("another attempt is made", async () => /^flaky-[0-9a-f]{5}$/.test(await second()));
    await operator.put("flaky", "20261121T095409", "flaky");
    await operator.completed(await second(), "20261121T095409");
    expect((await operator.untilPhase("flaky", "Completed")).status?.attempts).toBe(2);
  });

  it("cannot be changed, and is refused with a deadline that makes no sense", async () => {
    await operator.makeCluster("strict");
    await operator.request("strict", "strict", { deadline: "2h" });
    await expect(operator.patch("strict", { spec: { deadline: "3h" } })).rejects.toThrow(/make another/);
    await expect(operator.patch("strict", { spec: { target: "primary" } })).rejects.toThrow(/make another/);
    for (const deadline of ["10s", "169h", "6d", "h"])
      await expect(operator.request("refused", "strict", { deadline }), deadline).rejects.toThrow(/spec\.deadline/);
    expect((await operator.backup("strict"))?.spec).toMatchObject({ deadline: "2h", retryLimit: 0 });
  });
});

describe("a CNPG Backup that someone else made", () => {
  it("has one record, before and after the store is read", async () => {
    await operator.makeCluster("theirs");
    const labels = { "cnpg.io/cluster": "theirs" };
    const made = {
      metadata: { name: "theirs-1", namespace, labels },
      spec: { cluster: { name: "theirs" }, method: "plugin", pluginConfiguration: { name: "holdfast.dev" } },
    };
    const cnpgBackups = {
      group: "postgresql.cnpg.io",
      version: "v1",
      kind: "Backup",
      plural: "backups",
      namespaced: true,
    };
    await operator.client.create(cnpgBackups, made, { signal: signal() });
    // Much is said of it before its record can be seen.
    for (let step = 0; step < 10; step++) await operator.say("theirs-1", { phase: "started", error: `step ${step}` });
    await operator.put("theirs", "20261121T095409", "theirs-1");
    await operator.look();
    await operator.completed("theirs-1", "20261121T095409");
    const record = await operator.untilPhase("theirs-1", "Completed");
    expect(record.metadata.labels).toMatchObject({ ...labels, "holdfast.dev/cnpg-backup": "theirs-1" });
    expect(record.metadata.ownerReferences).toBeUndefined();
    await operator.delete("theirs-1");
    expect(await operator.untilEvent("theirs-1", "RecordRestored")).toContain("deletionPolicy Delete");
    const { items } = await operator.client.list<Backup>(backups, {
      namespace,
      labelSelector: "cnpg.io/cluster=theirs",
      signal: signal(),
    });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(["theirs-1"]);
  });
});

describe("a Backup whose data goes with it", () => {
  const make = async (cluster: string, name: string, id: string): Promise<void> => {
    await operator.request(name, cluster, { deletionPolicy: "Delete" });
    await operator.put(cluster, id, name);
    await operator.completed(name, id);
    const { metadata } = await operator.untilPhase(name, "Completed");
    expect(metadata.finalizers).toContain("holdfast.dev/delete-data");
  };
  const untilGone = (name: string): Promise<void> =>
    waitUntil(`${name} is gone`, async () => (await operator.backup(name)) === undefined);

  const isHeld = async (name: string): Promise<boolean> =>
    (await operator.backup(name))?.metadata.finalizers !== undefined;

  it("loses its data and its CNPG Backup, and nothing else; the last one keeps them", async () => {
    await operator.makeCluster("going");
    await make("going", "going-1", "20261121T095409");
    await make("going", "going-2", "20261122T095409");
    const foreign = "base/20261121T095409/notes.txt";
    await operator.store.put(`going/${foreign}`, Buffer.from("mine"), { signal: signal() });
    await operator.delete("going-1");
    await untilGone("going-1");
    expect(await operator.untilEvent("going-1", "DataDeleted")).toContain("20261121T095409");
    expect(await operator.keys("going/")).toEqual([
      foreign,
      "base/20261122T095409/backup.info",
      "base/20261122T095409/data.tar",
      "wals/0000000100000000/000000010000000000000014.gz",
    ]);
    expect(await operator.cnpgBackup("going-1")).toBeUndefined();
    expect(await operator.cnpgBackup("going-2")).toBeDefined();

    await operator.delete("going-2");
    expect(await operator.untilEvent("going-2", "DataRetained")).toContain("last backup of server going");
    await untilGone("going-2");
    expect(await operator.keys("going/base/20261122T095409/")).toEqual(["backup.info", "data.tar"]);
    await operator.look();
    await operator.untilPhase("going-2", "Completed");
    expect(await operator.backup("going-1")).toBeUndefined();
  });

  it("keeps it while it is held, and while a backup.info beside it cannot be read", async () => {
    await operator.makeCluster("held");
    await make("held", "held-1", "20261121T095409");
    await make("held", "held-2", "20261122T095409");
    await operator.store.put("held/holdfast/holds/20261121T095409", Buffer.from("audit"), { signal: signal() });
    await operator.delete("held-1");
    expect(await operator.untilEvent("held-1", "DataRetained")).toContain("held by held/holdfast/holds/");
    await untilGone("held-1");
    await operator.store.put("held/base/20261123T095409/backup.info", Buffer.from("<html>"), { signal: signal() });
    await operator.delete("held-2");
    expect(await operator.untilEvent("held-2", "DataRetained")).toContain("cannot be trusted");
    await untilGone("held-2");
    expect(await operator.keys("held/base/")).toHaveLength(5);
  });

  it("keeps the last one, also when all are deleted at once", async () => {
    await operator.makeCluster("all");
    const ids = ["20261121T095409", "20261122T095409", "20261123T095409"];
    for (const id of ids) await make("all", `all-${id.slice(6, 8)}`, id);
    const names = ids.map((id) => `all-${id.slice(6, 8)}`);
    await Promise.all(names.map(operator.delete));
    await Promise.all(names.map(async (name) => waitUntil(`${name} is let go`, async () => !(await isHeld(name)))));
    expect(await operator.keys("all/base/")).toHaveLength(2);
  });

  it("keeps it while a restore reads it", async () => {
    await operator.makeCluster("source");
    await operator.makeCluster("copy");
    await make("source", "source-1", "20261121T101500");
    await make("source", "source-2", "20261122T101500");
    await operator.reportRestore("copy", { phase: "Copying", backupId: "20261121T101500" });
    await operator.delete("source-1");
    expect(await operator.untilEvent("source-1", "DataRetained")).toContain("20261121T101500 is being restored");
    expect(await operator.keys("source/base/")).toHaveLength(4);
  });

  it("gives up a running backup first, and lets go without data when the policy is Retain again", async () => {
    await operator.makeCluster("busy");
    await operator.request("busy", "busy", { deletionPolicy: "Delete" });
    await operator.say("busy", { phase: "started" });
    await operator.report("busy", { name: "busy", bytesDone: 1, bytesTotal: 2 });
    await waitUntil(
      "the finalizer stands",
      async () => (await operator.backup("busy"))?.metadata.finalizers?.length === 1,
    );
    await operator.delete("busy");
    await waitUntil("CNPG's Backup is deleted", async () => (await operator.cnpgBackup("busy")) === undefined);
    await operator.untilPhase("busy", "Expiring");
    await waitUntil("the sidecar is asked", async () => (await operator.wishes("busy"))?.cancelBackup === "busy");
    await operator.report("busy", undefined);
    await untilGone("busy");
    await waitUntil(
      "nothing is asked any more",
      async () => !("cancelBackup" in ((await operator.wishes("busy")) ?? {})),
    );
  });
});
