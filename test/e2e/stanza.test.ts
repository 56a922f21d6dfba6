// A Cluster that archives to a Stanza, as its users see it: WAL by pgBackRest's own workers, a full backup and one that
// builds on it, a recovery to a moment, a second repository while all goes on, and a failover in the middle.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defaultSegmentBytes, parseSegmentName, segmentLsnRange } from "#postgres/segment.ts";
import { store as credentials } from "../cluster/settings.ts";
import { ordersTable, startCommitting } from "./committer.ts";
import { openTestCluster } from "../contract/backup-cluster.ts";
import { applyAll, changed, exampleOf } from "./manifests.ts";
import { pgbackrestByHand } from "./pgbackrest.ts";
import { exampleStanza, small, stanzaSteps } from "./stanzas.ts";
import { freshNamespace, kubectl, primaryOf, psql, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-stanza";
const folder = `${namespace}-${Date.now()}`;
const cluster = exampleOf("Cluster", "cluster-stanza.yaml", folder);
const recovery = exampleOf("Cluster", "recovery-stanza.yaml", folder);
/** The journey begins with the first of its repositories alone. */
const { name, secrets, passphrase, repositories, withRepositories } = exampleStanza(folder);
const steps = stanzaSteps(namespace, name);
const { field, stanzaField, condition, untilCondition, countRows, insertRows, backUp, lastArchived, archiveAll } =
  steps;

beforeAll(async () => {
  await freshNamespace(namespace);
  await applyAll(namespace, [...secrets, withRepositories(repositories.slice(0, 1))]);
  await applyAll(namespace, [changed(cluster, "pg", { ...small, walStorage: { size: "1Gi" }, instances: 2 })]);
  await untilHealthy(namespace, "pg");
  await psql(namespace, await primaryOf(namespace, "pg"), ordersTable);
  await insertRows(100);
});

afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));

describe("a Cluster with a Stanza", () => {
  it("archives WAL, and the Stanza is Ready", async () => {
    await archiveAll(await primaryOf(namespace, "pg"));
    await untilCondition("StanzaCreated", "True");
    await untilCondition("Ready", "True");
    expect(await condition("Encrypted")).toBe("True");
    expect(await condition("Redundant")).toBe("False");
  });

  it("gets a full backup first, though none was asked for, and then one that builds on it", async () => {
    await backUp("first");
    expect(await field("backups.holdfast.dev/first", ".status.type")).toBe("full");
    expect(await field("backups.holdfast.dev/first", ".status.typeReason")).toMatch(/full/);
    expect(await field("backups.holdfast.dev/first", ".status.instance")).toBe(await primaryOf(namespace, "pg"));
    await insertRows(40);
    await backUp("second");
    expect(await field("backups.holdfast.dev/second", ".status.type")).toBe("incr");
    expect(await field("backups.holdfast.dev/second", ".status.prior")).toBe(
      await field("backups.holdfast.dev/first", ".status.backupId"),
    );
    const rows = await kubectl(["get", "backups", "-n", namespace, "--no-headers"]);
    expect(rows).toMatch(/^first +pg +full +Completed/m);
    expect(rows).toMatch(/^second +pg +incr +Completed/m);
  });

  it("has CloudNativePG's own Backup made on the primary, too", async () => {
    const plugin = ["-m", "plugin", "--plugin-name", "holdfast.dev", "--plugin-parameters", "type=diff"];
    await kubectl(["cnpg", "backup", "pg", "--namespace", namespace, "--backup-name", "by-hand", ...plugin]);
    await until("the backup by hand to be completed", 120_000, async () => {
      return (await field("backups.holdfast.dev/by-hand", ".status.phase")) === "Completed";
    });
    expect(await field("backups.holdfast.dev/by-hand", ".status.type")).toBe("diff");
    expect(await field("backups.holdfast.dev/by-hand", ".status.instance")).toBe(await primaryOf(namespace, "pg"));
  });

  it("comes back at a moment after its last backup, with the rows of then", async () => {
    const primary = await primaryOf(namespace, "pg");
    await insertRows(20);
    const moment = await psql(namespace, primary, "SELECT clock_timestamp()");
    await insertRows(60);
    await archiveAll(primary);
    await applyAll(namespace, [
      exampleOf("Stanza", "recovery-stanza.yaml", folder),
      changed(recovery, "moment", {
        ...small,
        bootstrap: { recovery: { source: "origin", recoveryTarget: { targetTime: moment } } },
      }),
    ]);
    await untilHealthy(namespace, "moment");
    expect(await countRows("moment")).toBe(160);
    expect(await countRows("pg")).toBe(220);
    const settings =
      "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf' AND name LIKE 'recovery_target%'";
    expect(await psql(namespace, await primaryOf(namespace, "moment"), settings)).toBe("0");
  });

  it("takes a second repository while it runs, and is redundant then", async () => {
    await applyAll(namespace, [withRepositories(repositories)]);
    await archiveAll(await primaryOf(namespace, "pg"));
    await until("the stanza to be in repository 2", 90_000, async () => {
      return (await stanzaField(".status.repositories[1].state")) === "NoBackup";
    });
    expect(await condition("Redundant"), "without a backup in 2").toBe("False");
    await backUp("in-two", { selectedRepository: 2 });
    await untilCondition("Redundant", "True");
    expect(await field("backups.holdfast.dev/in-two", ".status.type"), "there was none in 2").toBe("full");
    expect(await field("backups.holdfast.dev/in-two", ".status.selectedRepository")).toBe("2");
    await until("the Stanza to count all backups", 90_000, async () => {
      return (await stanzaField(".status.backupSummary")) === "2/1/1";
    });
    expect(await stanzaField(".status.repositorySummary")).toBe("2/2");
    for (const command of [
      ["get", "stanzas", "-o", "wide"],
      ["describe", "stanza", name],
    ])
      console.log(`$ kubectl ${command.join(" ")}\n${await kubectl([...command, "-n", namespace])}`);
  });

  it("is read by pgbackrest 2.45 by hand, and restored to a PostgreSQL with every row", async () => {
    const [one] = repositories;
    const machine = await openTestCluster();
    try {
      const byHand = await pgbackrestByHand(machine, { stanza: "main", path: one!.repoPath, passphrase });
      const [info] = JSON.parse(await byHand.run("info", "--output=json")) as [{ backup: { label: string }[] }];
      const inOne = "jsonpath={range .items[?(@.status.selectedRepository==1)]}{.status.backupId} {end}";
      const ids = (await kubectl(["get", "backups.holdfast.dev", "-n", namespace, "-o", inOne])).trim();
      expect(info.backup.map(({ label }) => label).sort()).toEqual(ids.split(" ").sort());
      const query = await byHand.recover();
      expect(await query("app", "SELECT count(*) FROM orders")).toBe("220");
    } finally {
      await machine.end();
    }
  });

  it("loses nothing by a failover in the middle of archiving", async () => {
    const old = await primaryOf(namespace, "pg");
    const client = await startCommitting(namespace, "pg", old);
    for (let segments = 0; segments < 3; segments++) {
      const known = client.acknowledged.length;
      await until("rows", 30_000, async () => client.acknowledged.length >= known + 30);
      await archiveAll(old);
    }
    const newest = parseSegmentName(await lastArchived(old));
    await kubectl([
      "exec",
      "-n",
      namespace,
      old,
      "-c",
      "postgres",
      "--",
      "sh",
      "-c",
      "kill -9 $(head -1 $PGDATA/postmaster.pid)",
    ]);
    await kubectl(["delete", "pod", "-n", namespace, old, "--force", "--grace-period=0", "--wait=false"]);
    await client.stop();
    const { end } = segmentLsnRange(newest!, defaultSegmentBytes);
    const archived = client.acknowledged.filter(({ lsn }) => lsn <= end).map(({ id }) => id);
    const primary = await until("the standby to be promoted", 120_000, async () => {
      const now = await primaryOf(namespace, "pg");
      return now !== old && (await psql(namespace, now, "SELECT pg_is_in_recovery()")) === "f" && now;
    });
    await insertRows(1);
    expect((await archiveAll(primary)).startsWith("00000002")).toBe(true);
    await applyAll(namespace, [
      changed(recovery, "after", { ...small, bootstrap: { recovery: { source: "origin" } }, plugins: [] }),
    ]);
    await untilHealthy(namespace, "after");
    await untilHealthy(namespace, "pg");
    const there = await psql(
      namespace,
      await primaryOf(namespace, "after"),
      "SELECT string_agg(id::text, ' ') FROM orders",
    );
    const ids = new Set(there.split(" ").map(Number));
    expect(archived.length).toBeGreaterThanOrEqual(90);
    expect(archived.filter((id) => !ids.has(id))).toEqual([]);
  });

  it("tells neither a key nor the passphrase to anybody", async () => {
    const kinds = (await kubectl(["api-resources", "--verbs=list", "--namespaced", "-o", "name"])).trim().split("\n");
    const shown = kinds.filter((kind) => kind !== "secrets" && !kind.startsWith("pods.metrics")).join(",");
    const objects = await kubectl(["get", shown, "--namespace", namespace, "-o", "json", "--show-managed-fields"]);
    const logs = await kubectl([
      "logs",
      "-n",
      namespace,
      "--tail=-1",
      "-l",
      "cnpg.io/podRole=instance,cnpg.io/cluster=pg",
      "-c",
      "holdfast",
    ]);
    expect(passphrase).toMatch(/.{8}/);
    const operator = await kubectl("logs -n cnpg-system --tail=-1 -l app.kubernetes.io/name=holdfast".split(" "));
    expect(objects).toContain('"kind": "Stanza"');
    for (const text of [logs, operator]) expect(text).toContain('"msg":"serving"');
    for (const text of [objects, logs, operator]) {
      expect(text).not.toContain(credentials.secretAccessKey);
      expect(text).not.toContain(passphrase);
    }
    console.log(await kubectl(["get", "stanzas", "-n", namespace, "-o", "wide"]));
    console.log(await kubectl(["describe", "stanzas", "-n", namespace]));
    console.log(await kubectl(["get", "backups", "-n", namespace]));
  });
});
