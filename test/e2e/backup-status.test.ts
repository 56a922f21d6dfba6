// A Backup as a request: it shows how far it is, waits its turn, ends at its deadline or when it is deleted, and the next
// one runs; its data goes with it where that is wished for. One cluster of one instance, and a store that can be frozen.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { changed, exampleOf } from "./manifests.ts";
import { startPrivateStore, type PrivateStore } from "./private-store.ts";
import { apply, freshNamespace, kubectl, psql, read, until, untilHealthy } from "./steps.ts";

/** New for each run: a namespace whose database has lost its store goes away slowly. */
const namespace = `e2e-backup-${Date.now().toString(36)}`;
let store: PrivateStore;

const request = (name: string, spec: object = {}): Promise<string> => {
  const example = exampleOf("Backup", "backup.yaml", namespace);
  return apply(namespace, JSON.stringify(changed(example, name, { cluster: { name: "pg" }, ...spec })));
};
const shown = (name: string, path: string): Promise<string> => read(namespace, `backups.holdfast.dev/${name}`, path);
const ready = '{.status.conditions[?(@.type=="Ready")]';
const condition = async (name: string): Promise<string> =>
  shown(name, `${ready}.status} ${ready}.reason} {.status.phase}`);
const untilCondition = (name: string, wanted: string, seconds = 60): Promise<unknown> =>
  until(`${name} to be ${wanted}`, seconds * 1000, async () => {
    const now = await condition(name);
    if (now === wanted) return true;
    throw new Error(`${now}: ${await shown(name, `${ready}.message}`)}`);
  });
const completed = "True Succeeded Completed";
const isThere = async (object: string): Promise<boolean> => (await read(namespace, object, "{.metadata.uid}")) !== "";
const event = (about: string, reason: string): Promise<string> => {
  const fields = `reason=${reason},involvedObject.name=${about}`;
  const args = ["get", "events", "-n", namespace, "--field-selector", fields, "-o", "jsonpath={.items[*].message}"];
  return until(`an event ${reason} about ${about}`, 60_000, async () => (await kubectl(args)) || undefined);
};
const show = async (...args: readonly string[]): Promise<void> => {
  console.log(`$ kubectl ${args.join(" ")}\n${await kubectl([...args, "-n", namespace])}`);
};

/** Asks for a backup that stands still in the middle of its upload. */
async function standingStill(name: string, spec: object = {}): Promise<void> {
  const frozen = store.freezeAt(/^PUT \S*data\.tar\S*partNumber=3/);
  await request(name, spec);
  await frozen;
  // The first one may be of a few bytes.
  await until(`${name} to show its progress`, 30_000, async () =>
    /^[\d.]+Mi\/[\d.]+Mi/.test(await shown(name, "{.status.progress}")),
  );
}

beforeAll(async () => {
  store = await startPrivateStore(namespace);
  await freshNamespace(namespace);
  await apply(namespace, store.manifest);
  const cluster = exampleOf("Cluster", "cluster.yaml", namespace);
  await apply(namespace, JSON.stringify(changed(cluster, "pg", { instances: 1, storage: { size: "2Gi" } })));
  await untilHealthy(namespace, "pg");
  const rows = "SELECT i, md5(i::text) || md5((-i)::text) AS text FROM generate_series(1, 1200000) i";
  await psql(namespace, "pg-1", `CREATE TABLE filler AS ${rows}`);
});

afterEach(() => store.thaw());

afterAll(async () => {
  await kubectl(["delete", "namespace", namespace, "--wait=false"]);
  await store.stop();
});

describe("a requested backup", () => {
  it("ends at its deadline while the store stands still, and the one behind it runs", async () => {
    await standingStill("too-slow", { deadline: "1m" });
    await request("next");
    await untilCondition("next", "False Queued Pending");
    expect(await shown("next", "{.status.queuePosition}")).toBe("1");
    expect(await shown("next", `${ready}.message}`)).toContain("behind too-slow");
    await show("get", "backups", "-o", "wide");
    await untilCondition("too-slow", "False DeadlineExceeded Failed", 90);
    store.thaw();
    await untilCondition("next", completed);
    expect(await isThere("backups.postgresql.cnpg.io/too-slow")).toBe(false);
    expect(await store.idsUnder("pg"), "nothing is left of the one that was given up").toEqual([
      await shown("next", "{.status.backupId}"),
    ]);
    expect(await shown("too-slow", '{.status.conditions[?(@.type=="Stalled")].status}')).toBe("True");
  });

  it("is cancelled by deleting it, and leaves nothing", async () => {
    const before = await store.idsUnder("pg");
    await standingStill("unwanted");
    await kubectl(["delete", "-n", namespace, "backups.holdfast.dev/unwanted"]);
    const running = "{.status.instances.pg-1.backup.name}";
    await until(
      "the sidecar to give it up",
      60_000,
      async () => (await read(namespace, "instancereports/pg", running)) === "",
    );
    expect(await isThere("backups.postgresql.cnpg.io/unwanted")).toBe(false);
    store.thaw();
    expect(await store.idsUnder("pg")).toEqual(before);
    await request("after", { deletionPolicy: "Delete" });
    await untilCondition("after", completed);
  });

  it("is shown as ours when kubectl cnpg backup asks for it", async () => {
    const plugin = ["--method", "plugin", "--plugin-name", "holdfast.dev", "--backup-name", "theirs"];
    await kubectl(["cnpg", "backup", "-n", namespace, "pg", ...plugin]);
    await until("the record", 20_000, () => isThere("backups.holdfast.dev/theirs"));
    await untilCondition("theirs", completed);
    expect(await shown("theirs", "{.metadata.labels.cnpg\\.io/cluster} {.metadata.ownerReferences}")).toBe("pg ");
    const names = ["get", "backups", "-n", namespace, "-o", "jsonpath={.items[*].metadata.name}"];
    expect(await kubectl(names), "one record a backup").toBe("after next theirs too-slow");
    await show("get", "backups", "-o", "wide");
    await show("describe", "backups.holdfast.dev", "after");
  });
});

describe("a deleted backup", () => {
  const remove = (name: string): Promise<string> =>
    kubectl(["delete", "-n", namespace, `backups.holdfast.dev/${name}`, "--wait", "--timeout=60s"]);
  const withData = (name: string): Promise<string> =>
    kubectl([
      "patch",
      "-n",
      namespace,
      `backups.holdfast.dev/${name}`,
      "--type=merge",
      "-p",
      '{"spec":{"deletionPolicy":"Delete"}}',
    ]);

  it("takes its data along where that is wished for, and comes back where not", async () => {
    const [after, next] = [await shown("after", "{.status.backupId}"), await shown("next", "{.status.backupId}")];
    await remove("after");
    await event("after", "DataDeleted");
    expect(await store.idsUnder("pg")).not.toContain(after);
    expect(await isThere("backups.postgresql.cnpg.io/after")).toBe(false);
    await remove("next");
    expect(await event("next", "RecordRestored")).toContain("still in the store");
    await untilCondition("next", completed);
    expect(await shown("next", "{.spec.backupId}")).toBe(next);
    expect(await isThere("backups.holdfast.dev/after")).toBe(false);
  });

  it("keeps its data when it is the last one", async () => {
    for (const name of ["theirs", "next"]) {
      await withData(name);
      const finalizers = "{.metadata.finalizers}";
      await until("the finalizer", 20_000, async () => (await shown(name, finalizers)).includes("delete-data"));
      await remove(name);
    }
    await event("theirs", "DataDeleted");
    expect(await event("next", "DataRetained")).toContain("last backup of server pg");
    expect(await store.idsUnder("pg")).toHaveLength(1);
    await untilCondition("next", completed);
    await show("get", "backups");
  });
});
