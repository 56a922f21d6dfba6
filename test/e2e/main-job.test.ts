// The main job as its users see it: a cluster of two instances archives, is backed up in both ways there are, and comes
// back at a moment and at a backup; the rows, the records and barman's own programs agree on what there is.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { command } from "../cluster/command.ts";
import { clusterEnvironment, processEnvironment } from "../cluster/env.ts";
import { store as credentials } from "../cluster/settings.ts";
import { applyAll, changed, example, exampleOf } from "./manifests.ts";
import { sidecarMemory } from "./sidecars.ts";
import { apply, freshNamespace, kubectl, primaryOf, psql, read, until, untilHealthy } from "./steps.ts";

const namespace = "main-job";
const folder = `main-job-${Date.now()}`;
const instances = (cluster: string) => `cnpg.io/cluster=${cluster},cnpg.io/podRole=instance`;
const cluster = exampleOf("Cluster", "cluster.yaml", folder);
const recovery = exampleOf("Cluster", "recovery.yaml", folder);
const small = { storage: { size: "1Gi" } };

/** One object; its spec and status are what the assertions say they are. */
const get = async (object: string): Promise<Shown> =>
  JSON.parse(await kubectl(["get", "--namespace", namespace, "-o", "json", object])) as Shown;

interface Shown {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>>; readonly ownerReferences?: unknown };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status: Readonly<Record<string, string | number>>;
}

const insertRows = async (count: number): Promise<void> => {
  const values = `SELECT 'order ' || i FROM generate_series(1, ${count}) i`;
  await psql(namespace, await primaryOf(namespace, "pg"), `INSERT INTO orders(note) ${values}`);
};

const countRows = async (name: string): Promise<number> =>
  Number(await psql(namespace, await primaryOf(namespace, name), "SELECT count(*) FROM orders"));

const untilCompleted = (backup: string): Promise<string> =>
  until(`backup ${backup} to be completed`, 120_000, async () => {
    const object = `backups.holdfast.dev/${backup}`;
    const [phase, id] = (await read(namespace, object, "{.status.phase}|{.status.backupId}")).split("|");
    if (phase === "Failed") throw new Error(await read(namespace, object, "{.status}"));
    return phase === "Completed" ? id : undefined;
  });

/** Lets the operator look at the store now instead of within the minute. */
const lookAtStore = (): Promise<string> =>
  kubectl(["annotate", "--namespace", namespace, "objectstores/minio", "--overwrite", `test/look=${Date.now()}`]);

const barman = (program: string, ...args: readonly string[]): Promise<string> => {
  const { HOLDFAST_BARMAN: programs, HOLDFAST_S3_ENDPOINT: endpoint } = clusterEnvironment();
  const place = [`--endpoint-url=${endpoint}`, `s3://${credentials.bucket}/${folder}`, "pg"];
  const options = { env: processEnvironment(), signal: AbortSignal.timeout(120_000) };
  return command(join(programs, program), [...place, ...args], options);
};

interface ListedBackup {
  readonly backup_id: string;
  readonly status: string;
}

const listedByBarman = async (): Promise<readonly ListedBackup[]> =>
  (JSON.parse(await barman("barman-cloud-backup-list", "--format=json")) as { backups_list: ListedBackup[] })
    .backups_list;

beforeAll(async () => {
  await freshNamespace(namespace);
  await applyAll(namespace, example("objectstore.yaml", folder));
  // A volume of its own for WAL: pg_wal is a link then, which backup and restore must know.
  await applyAll(namespace, [changed(cluster, "pg", { ...small, walStorage: { size: "1Gi" } })]);
  await untilHealthy(namespace, "pg");
  await psql(namespace, await primaryOf(namespace, "pg"), "CREATE TABLE orders (id bigserial PRIMARY KEY, note text)");
  await insertRows(100);
});

afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));

describe("a cluster with a standby", () => {
  let firstId = "";

  it("keeps the sidecar of an idle standby within 85 MB", async () => {
    const primary = await primaryOf(namespace, "pg");
    const pods = await kubectl(["get", "pods", "--namespace", namespace, "-o", "name", "--selector", instances("pg")]);
    const standby =
      pods
        .trim()
        .replaceAll("pod/", "")
        .split("\n")
        .find((name) => name !== primary) ?? "";
    let bytes = 0;
    await until("the standby's sidecar to be small", 60_000, async () => {
      bytes = await sidecarMemory(namespace, standby);
      return bytes <= 85e6;
    }).catch(() => undefined);
    expect(bytes).toBeLessThanOrEqual(85e6);
  });

  it("is backed up by a Backup that ends Completed with its sizes", async () => {
    await applyAll(namespace, example("backup.yaml", folder));
    firstId = await untilCompleted("pg-first");
    const { status } = await get("backups.holdfast.dev/pg-first");
    expect(status["sizeBytes"]).toBeGreaterThan(20_000_000);
    expect(status["storedBytes"]).toBeGreaterThan(1_000_000);
    expect(status["storedBytes"]).toBeLessThan(Number(status["sizeBytes"]));
    const primary = await primaryOf(namespace, "pg");
    expect(status["instance"], "a standby is preferred").not.toBe(primary);
  });

  it("shows the Backup under the bare name, every column filled, as the owner of CloudNativePG's", async () => {
    const [header = "", row = ""] = (await kubectl(["get", "backups", "--namespace", namespace])).split("\n");
    expect(header.split(/\s{2,}/)).toEqual(
      ["NAME", "CLUSTER", "TYPE", "PHASE", "PROGRESS", "SIZE", "COMPLETED", "AGE"].map((name) =>
        expect.stringContaining(name),
      ),
    );
    expect(row).toMatch(/^pg-first +pg +full +Completed +[\d.]+Mi +\w+ +\w+$/);
    const work = await get("backups.postgresql.cnpg.io/pg-first");
    expect(work.metadata.ownerReferences).toEqual([
      expect.objectContaining({ apiVersion: "holdfast.dev/v1alpha1", kind: "Backup", name: "pg-first" }),
    ]);
  });

  it("has its backup in barman's own list, and barman restores it", async () => {
    expect(await listedByBarman()).toEqual([expect.objectContaining({ backup_id: firstId, status: "DONE" })]);
    const target = await mkdtemp(join(tmpdir(), "holdfast-barman-"));
    try {
      await barman("barman-cloud-restore", firstId, join(target, "pgdata"));
      expect(await readFile(join(target, "pgdata", "PG_VERSION"), "utf8")).toBe("15\n");
      expect(await readFile(join(target, "pgdata", "backup_label"), "utf8")).toContain("START WAL LOCATION");
    } finally {
      await rm(target, { recursive: true, force: true });
    }
  });

  it("comes back at a moment in between, and at its backup, each with the rows of then", async () => {
    await insertRows(40);
    const primary = await primaryOf(namespace, "pg");
    const moment = await psql(namespace, primary, "SELECT clock_timestamp()");
    await insertRows(60);
    await psql(namespace, primary, "SELECT pg_switch_wal()");

    const bootstrap = (recoveryTarget: object) => ({ recovery: { source: "origin", recoveryTarget } });
    await apply(namespace, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: shared}}");
    await applyAll(namespace, [
      changed(recovery, "moment", {
        ...small,
        serviceAccountName: "shared",
        bootstrap: bootstrap({ targetTime: moment }),
      }),
      changed(recovery, "at-backup", {
        ...small,
        walStorage: { size: "1Gi" },
        bootstrap: bootstrap({ backupID: firstId, targetImmediate: true }),
      }),
    ]);
    await Promise.all([untilHealthy(namespace, "moment"), untilHealthy(namespace, "at-backup")]);
    expect(await countRows("moment")).toBe(140);
    expect(await countRows("at-backup")).toBe(100);
    expect(await countRows("pg")).toBe(200);
  });

  it("archives as well when its pods run as a service account that the user made", async () => {
    const primary = await primaryOf(namespace, "moment");
    const segment = await psql(namespace, primary, "SELECT pg_walfile_name(pg_switch_wal())");
    await until(`segment ${segment} to be archived`, 60_000, async () => {
      const last = await psql(namespace, primary, "SELECT last_archived_wal FROM pg_stat_archiver");
      return last >= segment;
    });
    expect(await read(namespace, `pods/${primary}`, "{.spec.serviceAccountName}")).toBe("shared");
  });

  it("has a row for each backup that `kubectl cnpg backup` makes", async () => {
    const plugin = ["-m", "plugin", "--plugin-name", "holdfast.dev"];
    await kubectl(["cnpg", "backup", "pg", "--namespace", namespace, "--backup-name", "by-hand", ...plugin]);
    await untilCompleted("by-hand");
    const { metadata, status } = await get("backups.holdfast.dev/by-hand");
    expect(metadata.labels?.["cnpg.io/cluster"]).toBe("pg");
    expect(status["sizeBytes"]).toBeGreaterThan(20_000_000);
    expect((await get("backups.postgresql.cnpg.io/by-hand")).status["backupId"]).toBe(status["backupId"]);
  });

  it("has an Archive with its window, its last WAL and Ready", async () => {
    const primary = await primaryOf(namespace, "pg");
    const segment = await psql(namespace, primary, "SELECT pg_walfile_name(pg_switch_wal())");
    const archived = "SELECT last_archived_wal FROM pg_stat_archiver";
    await until(`${segment} to be archived`, 60_000, async () => (await psql(namespace, primary, archived)) >= segment);
    await lookAtStore();
    await until(`the Archive to name ${segment}`, 60_000, async () => {
      return (await read(namespace, "archives/minio-pg", "{.status.lastWal.name}")) >= segment;
    });
    const row = (await kubectl(["get", "archives/minio-pg", "--namespace", namespace, "--no-headers"])).trim();
    expect(row).toMatch(/^minio-pg +True +pg( +\w+){5}$/);
    const { status } = await get("archives/minio-pg");
    expect(Date.parse(String(status["windowTo"]))).toBeGreaterThan(Date.parse(String(status["windowFrom"])));
    expect(status["backups"]).toBe(2);
  });

  it("gets the record of a backup back after it was deleted, with its data untouched", async () => {
    await kubectl(["delete", "--namespace", namespace, "backups.holdfast.dev/pg-first"]);
    await lookAtStore();
    await untilCompleted("pg-first");
    const { metadata, spec, status } = await get("backups.holdfast.dev/pg-first");
    expect(metadata.ownerReferences).toBeUndefined();
    expect(spec["repository"]).toEqual({ kind: "ObjectStore", name: "minio", serverName: "pg" });
    expect(status["backupId"]).toBe(firstId);
    expect(await listedByBarman()).toContainEqual(expect.objectContaining({ backup_id: firstId, status: "DONE" }));
  });

  it("tells its store's key to nobody", async () => {
    const kinds = (await kubectl(["api-resources", "--verbs=list", "--namespaced", "-o", "name"])).trim().split("\n");
    const shown = kinds.filter((kind) => kind !== "secrets" && !kind.startsWith("pods.metrics")).join(",");
    const objects = await kubectl(["get", shown, "--namespace", namespace, "-o", "json", "--show-managed-fields"]);
    const logs = (where: string, ...args: readonly string[]) =>
      kubectl(["logs", "--namespace", where, "--tail=-1", "--prefix", ...args]);
    const operator = await logs("cnpg-system", "--selector", "app.kubernetes.io/name=holdfast");
    const sidecars = await logs(namespace, "--selector", "cnpg.io/podRole=instance", "-c", "holdfast");
    for (const text of [objects, operator, sidecars]) {
      expect(text.length).toBeGreaterThan(1000);
      for (const encoding of ["utf8", "base64", "hex"] as const)
        expect(text).not.toContain(Buffer.from(credentials.secretAccessKey).toString(encoding));
    }
  });
});
