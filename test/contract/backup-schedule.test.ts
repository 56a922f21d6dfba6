// BackupSchedules against a real API server: what it stores and refuses, and what the controller makes of them while a
// clock of the test's own goes on. There is no CloudNativePG: Backups end when the test says so.
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backups, backupSchedules } from "#api/kinds.ts";
import { labels } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import * as cnpg from "#cnpg/resources.ts";
import { scheduleReconcile } from "#controllers/backup-schedule/controller.ts";
import type { KubeClient } from "#kube/client.ts";
import { createInformer } from "#kube/informer.ts";
import type { KubeObject } from "#kube/object.ts";
import { createLogger } from "#observe/logger.ts";
import { type ApiServer, startApiServer, waitUntil } from "./api-server.ts";
import { adminClient, definitions, signal } from "./kube-widget.ts";

const logger = createLogger("error");
const namespace = "default";
const root = join(import.meta.dirname, "..", "..");
const crds = join(root, "crds");
let server: ApiServer;
let client: KubeClient & { close(): void };
const stop = new AbortController();

const inNamespace = (object: KubeObject, name: string | undefined): string[] =>
  name === undefined ? [] : [`${object.metadata.namespace}/${name}`];

/** CNPG's Cluster as far as this test needs one. */
const clusterDefinition = {
  metadata: { name: "clusters.postgresql.cnpg.io" },
  spec: {
    group: cnpg.clusters.group,
    scope: "Namespaced",
    names: { plural: "clusters", kind: "Cluster", singular: "cluster", listKind: "ClusterList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
};

beforeAll(async () => {
  server = await startApiServer();
  client = await adminClient(server);
  const files = ["backups.yaml", "backupschedules.yaml"];
  const ours = await Promise.all(files.map(async (file) => parse(await readFile(join(crds, file), "utf8"))));
  for (const definition of [...ours, clusterDefinition])
    await client.apply<KubeObject>(definitions, definition, { fieldManager: "test", signal: signal() });
  for (const kind of [backups, backupSchedules, cnpg.clusters])
    await waitUntil(`${kind.plural} are served`, () =>
      client.list(kind, { signal: signal() }).then(
        () => true,
        () => false,
      ),
    );
  await client.create<KubeObject & { spec: object }>(
    cnpg.clusters,
    {
      metadata: { name: "pg", namespace },
      spec: { instances: 1, plugins: [{ name: "holdfast.dev", isWALArchiver: true }] },
    },
    { signal: signal() },
  );
});
afterAll(async () => {
  stop.abort();
  client?.close();
  await server?.stop();
});

const kubectl = async (...args: string[]): Promise<string> => {
  const file = join(server.accountFolder, "kubeconfig");
  await writeFile(file, server.kubeconfig("admin"));
  return (await promisify(execFile)(server.kubectl, ["--kubeconfig", file, ...args])).stdout;
};

const make = (name: string, spec: object): Promise<BackupSchedule> =>
  client.create(
    backupSchedules,
    { metadata: { name, namespace }, spec: { cluster: { name: "pg" }, ...spec } } as BackupSchedule,
    { signal: signal() },
  );
const change = (name: string, spec: object): Promise<BackupSchedule> =>
  client.patch<BackupSchedule>(backupSchedules, { namespace, name }, { spec }, { type: "merge", signal: signal() });
const madeBy = async (name: string): Promise<readonly Backup[]> =>
  (await client.list<Backup>(backups, { namespace, labelSelector: `${labels.schedule}=${name}`, signal: signal() }))
    .items;
const stored = async (name: string): Promise<BackupSchedule> => {
  const found = await client.get<BackupSchedule>(backupSchedules, { namespace, name }, { signal: signal() });
  if (found === undefined) throw new Error(`${name} is gone`);
  return found;
};
const end = (backup: Backup, phase: "Completed" | "Failed", readyMessage = ""): Promise<Backup> => {
  const lastTransitionTime = "2026-01-01T00:00:00Z";
  const condition = {
    type: "Ready",
    status: phase === "Completed" ? "True" : "False",
    reason: phase === "Completed" ? "Succeeded" : "EngineError",
    message: readyMessage,
    lastTransitionTime,
  };
  const status = { phase, conditions: [condition] };
  return client.patch<Backup>(
    backups,
    { namespace, name: backup.metadata.name },
    { status },
    { type: "merge", subresource: "status", signal: signal() },
  );
};

/** One leader: caches of its own, a clock that the test sets, and a count of what it writes. */
async function aLeader(changed: Partial<KubeClient> = {}) {
  let writes = 0;
  const began = Date.now();
  let offsetMs = 0;
  const events: string[] = [];
  const own: KubeClient = { ...client, ...changed };
  const counting: KubeClient = {
    ...own,
    create: (...call) => (writes++, own.create(...call)),
    apply: (...call) => (writes++, own.apply(...call)),
    delete: (...call) => (writes++, own.delete(...call)),
  };
  const caches = {
    schedules: createInformer<BackupSchedule>({ client, logger, resource: backupSchedules }),
    backups: createInformer<Backup>({
      client,
      logger,
      resource: backups,
      indexes: { schedule: (backup) => inNamespace(backup, backup.metadata.labels?.[labels.schedule]) },
    }),
    clusters: createInformer<KubeObject>({ client, logger, resource: cnpg.clusters }),
  };
  for (const informer of Object.values(caches)) void informer.run(stop.signal);
  await Promise.all(Object.values(caches).map((informer) => informer.synced(signal())));
  const reconcile = scheduleReconcile({
    ...caches,
    client: counting,
    events: { record: async (_, { type, reason, message }) => void events.push(`${type} ${reason} ${message}`) },
    now: () => new Date(began + offsetMs),
  });
  return {
    events,
    writes: () => writes,
    /** Sets the clock, which stands still, to this long after the leader began. */
    after: (ms: number) => (offsetMs = ms),
    /** Reconciles once the caches show what the API server has. */
    async look(name: string): Promise<void> {
      const current = await stored(name);
      const made = await madeBy(name);
      await waitUntil("the caches are up to date", () => {
        const version = (object: KubeObject | undefined) => object?.metadata.resourceVersion;
        const shown = caches.backups.byIndex("schedule", `${namespace}/${name}`);
        return (
          version(caches.schedules.get({ namespace, name })) === version(current) &&
          shown.length === made.length &&
          made.every((backup) => shown.some((other) => version(other) === version(backup)))
        );
      });
      await reconcile({ namespace, name }, signal(), logger);
    },
  };
}

const minute = 60_000;
const day = 24 * 60 * minute;
const minutely = { schedules: [{ cron: "* * * * *" }] };

describe("the API server", () => {
  it("keeps what was written, defaults set, and refuses what cannot be", async () => {
    const { spec } = await make("defaults", { schedules: [{ cron: "0 2 * * *" }] });
    expect(spec).toEqual({
      cluster: { name: "pg" },
      schedules: [{ cron: "0 2 * * *" }],
      timeZone: "UTC",
      suspend: false,
      retryLimit: 2,
      deletionPolicy: "Retain",
      failedHistoryLimit: 3,
    });
    await expect(change("defaults", { cluster: { name: "other" } })).rejects.toThrow("cannot be changed");
    await expect(make("x".repeat(64), minutely)).rejects.toThrow("at most 63 characters");
    await expect(make("none", { schedules: [] })).rejects.toThrow("spec.schedules");
    await expect(make("jitter", { ...minutely, jitter: "1d" })).rejects.toThrow("spec.jitter");
    await expect(make("type", { schedules: [{ cron: "0 2 * * *", type: "half" }] })).rejects.toThrow('"full"');
  });
});

describe("a schedule", () => {
  it("makes the Backup of its run once, whoever leads, and says so", async () => {
    await make("once", { ...minutely, deadline: "6h", retryLimit: 1 });
    const [first, second] = [await aLeader(), await aLeader()];
    await first.look("once");
    expect(await madeBy("once"), "nothing is made up for that lies before its creation").toEqual([]);
    for (const leader of [first, second]) leader.after(2 * minute);
    await first.look("once");
    await second.look("once");
    const [backup, ...others] = await madeBy("once");
    expect(others).toEqual([]);
    expect(backup?.metadata.name).toMatch(/^once-\d{12}00$/);
    expect(backup?.metadata.labels).toEqual({ "holdfast.dev/schedule": "once", "cnpg.io/cluster": "pg" });
    expect(backup?.metadata.ownerReferences).toBeUndefined();
    expect(backup?.spec).toEqual({
      cluster: { name: "pg" },
      deadline: "6h",
      retryLimit: 1,
      deletionPolicy: "Retain",
    });
    expect(first.events).toEqual([expect.stringMatching(/^Normal BackupRequested made Backup once-\d+/)]);
    expect(second.events).toEqual([]);
  });

  it("waits for the Backup before, shows it, and takes the one that ended well as good", async () => {
    await make("queue", minutely);
    const leader = await aLeader();
    for (const ms of [2 * minute, 5 * minute, 9 * minute]) {
      leader.after(ms);
      await leader.look("queue");
      await leader.look("queue");
    }
    const [running, ...others] = await madeBy("queue");
    expect(others).toEqual([]);
    expect((await stored("queue")).status).toMatchObject({ active: running?.metadata.name });
    expect(leader.events.filter((event) => event.includes("RunWaiting"))).toHaveLength(1);
    await end(running!, "Completed");
    await leader.look("queue");
    await leader.look("queue");
    expect(await madeBy("queue")).toHaveLength(2);
    const { status } = await stored("queue");
    expect(status).toMatchObject({
      lastEnded: { backup: running?.metadata.name, phase: "Completed" },
      conditions: [{ type: "Ready", status: "True", reason: "Succeeded" }],
    });
  });

  it("makes exactly one Backup of a week in suspension, and is not green while it is suspended", async () => {
    await make("week", minutely);
    const leader = await aLeader();
    await leader.look("week");
    await change("week", { suspend: true });
    for (let days = 1; days <= 7; days++) {
      leader.after(days * day);
      await leader.look("week");
    }
    expect(await madeBy("week")).toEqual([]);
    expect((await stored("week")).status?.conditions).toEqual([
      expect.objectContaining({ type: "Ready", status: "Unknown", reason: "Suspended" }),
    ]);
    const row = await kubectl("get", "backupschedules", "week");
    expect(
      row
        .split("\n")[0]
        ?.split(/\s{2,}/)
        .map((name) => name.trim()),
    ).toEqual(["NAME", "CLUSTER", "SCHEDULE", "SUSPEND", "NEXT", "LAST", "READY", "AGE"]);
    expect(row).toMatch(/week +pg +\* \* \* \* \* UTC +true +Unknown/);
    await change("week", { suspend: false });
    for (let looks = 0; looks < 3; looks++) await leader.look("week");
    expect(await madeBy("week")).toHaveLength(1);
    expect(leader.events.at(-1)).toContain("one for all runs that were missed");
  });

  it("keeps failed Backups up to its limit and goes on saying that the newest run failed", async () => {
    await make("failing", { ...minutely, failedHistoryLimit: 1 });
    const leader = await aLeader();
    for (const minutes of [2, 4, 6]) {
      leader.after(minutes * minute);
      await leader.look("failing");
      for (const backup of await madeBy("failing"))
        if (backup.status === undefined) await end(backup, "Failed", "disk full");
      await leader.look("failing");
    }
    const [kept, ...others] = await madeBy("failing");
    expect(others).toEqual([]);
    const row = await kubectl("get", "hfbs", "failing", "-o", "wide");
    expect(row).toMatch(/failing .* False .* Failed +EngineError +Backup failing-\d+ failed: disk full/);
    await client.delete(backups, { namespace, name: kept!.metadata.name }, { signal: signal() });
    await leader.look("failing");
    expect((await stored("failing")).status?.conditions?.[0]).toMatchObject({ status: "False", reason: "EngineError" });
  });

  it("writes nothing while nothing changes", async () => {
    await make("idle", { schedules: [{ cron: "0 0 1 1 *" }] });
    const leader = await aLeader();
    await leader.look("idle");
    const before = leader.writes();
    for (let looks = 0; looks < 50; looks++) await leader.look("idle");
    expect(leader.writes()).toBe(before);
  });

  it("says why a Backup cannot be made, once and not at every try, and makes it when it can be", async () => {
    await make("refused", minutely);
    let tries = 0;
    const leader = await aLeader({
      create: (...call) => (tries++ < 3 ? Promise.reject(new Error("admission is away")) : client.create(...call)),
    });
    leader.after(2 * minute);
    for (const expected of [1, 2, 3]) {
      await expect(leader.look("refused")).rejects.toThrow("admission is away");
      expect(tries).toBe(expected);
    }
    expect((await stored("refused")).status?.conditions?.[0]).toMatchObject({
      status: "False",
      message: "the Backup of the run that is due cannot be made: admission is away",
    });
    expect(leader.events).toEqual([expect.stringContaining("Warning EngineError")]);
    await leader.look("refused");
    await leader.look("refused");
    expect(await madeBy("refused")).toHaveLength(1);
    expect((await stored("refused")).status?.conditions?.[0]).toMatchObject({ status: "True" });
  });

  it("names the field that admission would have refused, had it been asked", async () => {
    await make("wrong", { schedules: [{ cron: "*/5 * * * * *" }], failedHistoryLimt: 1 });
    const leader = await aLeader();
    await leader.look("wrong");
    const [ready, stalled] = (await stored("wrong")).status?.conditions ?? [];
    expect(ready).toMatchObject({ status: "False", reason: "InvalidSpec" });
    expect(ready?.message).toContain("spec.failedHistoryLimt: unknown field");
    expect(ready?.message).toContain('spec.schedules[0].cron: 6 fields have the second first, and second "*/5"');
    expect(stalled).toMatchObject({ type: "Stalled", status: "True" });
  });

  it("leaves its Backups when it is deleted", async () => {
    await make("leaving", minutely);
    const leader = await aLeader();
    leader.after(2 * minute);
    await leader.look("leaving");
    await kubectl("delete", "backupschedule", "leaving", "--wait");
    const [left] = await madeBy("leaving");
    expect(left?.metadata.deletionTimestamp).toBeUndefined();
    expect(left?.metadata.ownerReferences, "garbage collection finds no way to it").toBeUndefined();
  });
});
