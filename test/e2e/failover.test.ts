// Two instances: the standby makes backups, and takes over when the primary dies in the middle of its work. What had
// reached the archive by then is in every recovery from it.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSegmentName, segmentLsnRange, defaultSegmentBytes } from "#postgres/segment.ts";
import { ordersTable, startCommitting } from "./committer.ts";
import { objectsUnder } from "./objects.ts";
import { adapt, apply, example, freshNamespace, kubectl, primaryOf, psql, read, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-failover";
/** Every run archives to a place of its own. */
const folder = `${namespace}-${Date.now()}`;
const cluster = "clusters.postgresql.cnpg.io/pg";

beforeAll(async () => {
  await freshNamespace(namespace);
  await apply(namespace, adapt(example("objectstore.yaml"), folder));
  await apply(namespace, adapt(example("cluster.yaml"), folder));
  await untilHealthy(namespace, "pg");
  await psql(namespace, await primaryOf(namespace, "pg"), ordersTable);
});

afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));

async function backUp(name: string): Promise<void> {
  await apply(namespace, example("backup.yaml").replace("pg-first", name));
  await kubectl(["wait", "-n", namespace, "--for=condition=Ready", `backups.holdfast.dev/${name}`, "--timeout=60s"]);
}

/** Resolves when the segment that is being written now is in the archive, as PostgreSQL was told; gives its name. */
async function archiveAll(primary: string): Promise<string> {
  const segment = await psql(namespace, primary, "SELECT pg_walfile_name(pg_switch_wal())");
  await until(`${segment} to be archived`, 60_000, async () => (await lastArchived(primary)) >= segment);
  return segment;
}

/** The newest segment that was archived; history files and partial segments are passed over by name. */
const lastArchived = (primary: string): Promise<string> =>
  psql(
    namespace,
    primary,
    "SELECT coalesce(substring(last_archived_wal FROM '^[0-9A-F]{24}$'), '') FROM pg_stat_archiver",
  );

const idsOf = async (pod: string): Promise<ReadonlySet<number>> => {
  const text = await psql(namespace, pod, "SELECT string_agg(id::text, ' ') FROM orders");
  return new Set(text.split(" ").map(Number));
};

/** As when a node is lost: PostgreSQL has no time for anything, and neither has the sidecar. */
async function kill(pod: string): Promise<void> {
  const postmaster = "kill -9 $(head -1 $PGDATA/postmaster.pid)";
  await kubectl(["exec", "-n", namespace, pod, "-c", "postgres", "--", "sh", "-c", postmaster]);
  await kubectl(["delete", "pod", "-n", namespace, pod, "--force", "--grace-period=0", "--wait=false"]);
}

const untilPromoted = (before: string): Promise<string> =>
  until("the standby to be promoted", 120_000, async () => {
    const primary = await primaryOf(namespace, "pg");
    return primary !== before && (await psql(namespace, primary, "SELECT pg_is_in_recovery()")) === "f" && primary;
  });

const condition = (object: string, type: string): Promise<string> =>
  read(namespace, object, `{.status.conditions[?(@.type=="${type}")].status}`);

describe("two instances", () => {
  it("back up an idle database on the standby within 30 s, because the primary is asked to switch its WAL", async () => {
    const primary = await primaryOf(namespace, "pg");
    await archiveAll(primary);
    const started = Date.now();
    await backUp("idle");
    const seconds = (Date.now() - started) / 1000;
    console.log(`backup of an idle database on a standby: ${seconds} s`);
    expect(seconds).toBeLessThan(30);
    expect(await read(namespace, "backups.holdfast.dev/idle", "{.status.phase} {.status.instance}")).toMatch(
      /^Completed pg-\d$/,
    );
    expect(await read(namespace, "backups.holdfast.dev/idle", "{.status.instance}")).not.toBe(primary);
  });

  it("fail over while rows are written, and a recovery from the archive has every archived row", async () => {
    const old = await primaryOf(namespace, "pg");
    await backUp("before-failover");
    const client = await startCommitting(namespace, "pg", old);
    for (let segments = 0; segments < 3; segments++) {
      const known = client.acknowledged.length;
      await until("rows", 30_000, async () => client.acknowledged.length >= known + 50);
      await archiveAll(old);
    }
    const newest = parseSegmentName(await lastArchived(old));
    const killed = Date.now();
    await kill(old);
    await client.stop();
    const { end } = segmentLsnRange(newest!, defaultSegmentBytes);
    const archived = client.acknowledged.filter(({ lsn }) => lsn <= end).map(({ id }) => id);
    expect(archived.length).toBeGreaterThanOrEqual(150);

    const primary = await untilPromoted(old);
    console.log(`failover after a kill: ${(Date.now() - killed) / 1000} s, ${archived.length} archived rows`);
    const after = await startCommitting(namespace, "pg", primary);
    await until("rows on the new primary", 30_000, async () => after.acknowledged.length >= 50);
    await after.stop();
    const rows = await idsOf(primary);
    const last = await archiveAll(primary);
    expect(last.startsWith("00000002")).toBe(true);
    const stored = [...(await objectsUnder(folder, "pg/wals/")).keys()].join(" ");
    for (const name of ["00000002.history", newest, last]) expect(stored).toContain(name);

    await apply(namespace, adapt(example("recovery.yaml"), folder).replace(/ *recoveryTarget:.*\n/, ""));
    await untilHealthy(namespace, "pg");
    console.log(`healthy again ${(Date.now() - killed) / 1000} s after the kill`);
    const stream = "SELECT application_name || ' ' || state FROM pg_stat_replication";
    await until(
      "the old primary to stream",
      60_000,
      async () => (await psql(namespace, primary, stream)) === `${old} streaming`,
    );
    expect(await primaryOf(namespace, "pg")).toBe(primary);

    await untilHealthy(namespace, "pg-restored");
    const restored = await idsOf(await primaryOf(namespace, "pg-restored"));
    expect(archived.filter((id) => !restored.has(id))).toEqual([]);
    expect(restored).toEqual(rows);

    await archiveAll(primary);
    expect(await condition(cluster, "ContinuousArchiving")).toBe("True");
    await until(
      "the archive to be in order",
      120_000,
      async () => (await condition("archive/minio-pg", "Ready")) === "True",
    );
  });
});
