// The store's process stands still (SIGSTOP): connections are taken and nothing is answered. The databases must hardly
// notice, and a recovery must wait, because going on without the archive would lose data.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nextSegment, defaultSegmentBytes, parseSegmentName } from "#postgres/segment.ts";
import { walKey } from "#repository/barman/layout.ts";
import { archivingCondition } from "./archiving.ts";
import { startPrivateStore, type PrivateStore } from "./private-store.ts";
import { adapt, apply, example, freshNamespace, kubectl, primaryOf, psql, read, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-frozen-store";
let store: PrivateStore;

beforeAll(async () => {
  store = await startPrivateStore(namespace);
  await freshNamespace(namespace);
  await apply(namespace, store.manifest);
  const cluster = adapt(example("cluster.yaml"), namespace);
  await apply(namespace, cluster);
  await apply(namespace, cluster.replace("name: pg", "name: plain").replace(/ {2}plugins:[^]*/, ""));
  await untilHealthy(namespace, "pg");
  await untilHealthy(namespace, "plain");
});

afterAll(async () => {
  await kubectl(["delete", "namespace", namespace, "--wait=false"]);
  await store.stop();
});

const primary = (): Promise<string> => primaryOf(namespace, "pg");

const otherThan = (pod: string): string => (pod.endsWith("-1") ? pod.replace(/1$/, "2") : pod.replace(/2$/, "1"));

const deletePod = (pod: string): Promise<string> => kubectl(["delete", "pod", "-n", namespace, pod, "--wait=false"]);

/** Ends the segment that is being written, so that there is something to be archived; gives its name. */
const switchWal = async (pod: string): Promise<string> => {
  await psql(namespace, pod, "CREATE TABLE IF NOT EXISTS orders (id bigserial PRIMARY KEY, note text)");
  return psql(namespace, pod, "INSERT INTO orders (note) VALUES ('order'); SELECT pg_walfile_name(pg_switch_wal())");
};

const untilArchived = (pod: string, segment: string): Promise<unknown> =>
  until(`${segment} to be archived`, 120_000, async () => {
    const archived = await psql(namespace, pod, "SELECT last_archived_wal FROM pg_stat_archiver");
    return archived >= segment;
  });

/** Runs `work` while the store is frozen; what is waiting then goes on. */
async function whileFrozen<T>(work: () => Promise<T>): Promise<T> {
  store.freeze();
  try {
    return await work();
  } finally {
    store.thaw();
  }
}

/** Deletes the primary's pod, as a node that is drained does; seconds until another instance takes writes. */
async function failOver(cluster: string): Promise<number> {
  const old = await primaryOf(namespace, cluster);
  const started = Date.now();
  await deletePod(old);
  await until(`another primary of ${cluster}`, 300_000, async () => {
    const next = await primaryOf(namespace, cluster);
    return next !== old && (await psql(namespace, next, "CREATE TABLE after_failover (); SELECT 1")) === "1";
  });
  return (Date.now() - started) / 1000;
}

const streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";

/** Deletes the standby's pod; seconds until its successor streams. */
async function restartStandby(leader: string): Promise<number> {
  const standby = otherThan(leader);
  const uid = (): Promise<string> => read(namespace, `pod/${standby}`, "{.metadata.uid}");
  const before = await uid();
  const started = Date.now();
  await deletePod(standby);
  await until("another pod", 60_000, async () => !["", before].includes(await uid()));
  await until("the standby to stream", 120_000, async () => (await psql(namespace, leader, streams)) === "1");
  return (Date.now() - started) / 1000;
}

/** Rows at a moment of the past, with a segment that is archived after it. */
async function rememberRows(leader: string): Promise<{ readonly moment: string; readonly rows: string }> {
  const time = `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
  const text = await psql(namespace, leader, `SELECT ${time} || ' ' || count(*) FROM orders`);
  const [moment = "", rows = ""] = text.split(" ");
  await switchWal(leader);
  await untilArchived(leader, await switchWal(leader));
  return { moment, rows };
}

async function untilAnnounced(cluster: string, reason: string): Promise<string> {
  const about = `reason=${reason},involvedObject.kind=Cluster,involvedObject.name=${cluster}`;
  const messages = ["get", "events", "-n", namespace, "--field-selector", about, "-o", "jsonpath={.items[*].message}"];
  return until(`an event ${reason} about ${cluster}`, 120_000, async () => (await kubectl(messages)) || undefined);
}

describe("while the store is frozen", () => {
  it("a standby that is restarted streams within 30 s", async () => {
    const leader = await primary();
    const seconds = await whileFrozen(async () => {
      await switchWal(leader);
      return restartStandby(leader);
    });
    console.log(`a restarted standby streams after ${seconds} s`);
    expect(seconds).toBeLessThan(30);
  });

  it("a recovery waits, says so, and finishes right when the store is back", async () => {
    const leader = await primary();
    await apply(namespace, example("backup.yaml"));
    await kubectl(["wait", "-n", namespace, "--for=condition=Ready", "backups.holdfast.dev/pg-first", "--timeout=60s"]);
    const first = parseSegmentName(await switchWal(leader))!;
    for (let segments = 0; segments < 3; segments++) await switchWal(leader);
    const { moment, rows } = await rememberRows(leader);

    const wanted = nextSegment(first, defaultSegmentBytes);
    const frozen = store.freezeAt(new RegExp(`^GET \\S*/${wanted}`));
    const recovery = adapt(example("recovery.yaml"), namespace);
    await apply(namespace, recovery.replace(/targetTime: "[^"]*"/, `targetTime: "${moment}"`));
    await frozen;
    const message = await whileFrozen(() => untilAnnounced("pg-restored", "RestoreWaiting"));
    const thawed = Date.now();
    console.log(message);
    expect(message).toMatch(/wals\/\S+: no answer within 30 s/);
    await untilHealthy(namespace, "pg-restored");
    console.log(`recovered ${(Date.now() - thawed) / 1000} s after the store came back`);
    const restored = await psql(namespace, await primaryOf(namespace, "pg-restored"), "SELECT count(*) FROM orders");
    expect(restored).toBe(rows);
  });

  it("a failover takes at most a minute longer than without the plugin, and archiving catches up by itself", async () => {
    const without = await failOver("plain");
    const old = await primary();
    const [segment, seconds] = await whileFrozen(async () => [await switchWal(old), await failOver("pg")] as const);
    console.log(`failover: ${seconds} s with a frozen store, ${without} s without the plugin`);
    expect(seconds).toBeLessThan(without + 60);
    const next = await primary();
    await untilArchived(next, await switchWal(next));
    await untilHealthy(namespace, "pg");
    await until("what the old primary had left to be archived", 120_000, () =>
      store.holds(walKey("pg", segment, ".zst")),
    );
    expect((await archivingCondition(namespace, "pg")).status).toBe("True");
  });
});
