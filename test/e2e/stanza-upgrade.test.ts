// CloudNativePG's major upgrade of a Cluster that archives to a Stanza: pg_upgrade makes a database system of it that is
// another one for pgBackRest. The Stanza goes on, and both generations can be restored from it, each by its own PostgreSQL.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clusterEnvironment } from "../cluster/env.ts";
import { ordersTable } from "./committer.ts";
import { applyAll, changed, exampleOf } from "./manifests.ts";
import { exampleStanza, small, stanzaSteps } from "./stanzas.ts";
import { freshNamespace, kubectl, primaryOf, psql, read, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-stanza-upgrade";
const folder = `${namespace}-${Date.now()}`;
const cluster = exampleOf("Cluster", "cluster-stanza.yaml", folder);
const recovery = exampleOf("Cluster", "recovery-stanza.yaml", folder);
const { name, secrets, repositories, withRepositories } = exampleStanza(folder);
const steps = stanzaSteps(namespace, name);
const { field, stanzaField, message, untilCondition, countRows, insertRows, backUp, archiveAll } = steps;
const imageOf17 = clusterEnvironment().HOLDFAST_POSTGRES_IMAGE_17;

/** A Cluster that is recovered and archives nowhere. */
const recovered = { ...small, plugins: [] };
const at = (moment: string) => ({ recovery: { source: "origin", recoveryTarget: { targetTime: moment } } });

const primary = (): Promise<string> => primaryOf(namespace, "pg");
const ask = async (sql: string): Promise<string> => psql(namespace, await primary(), sql);
const systemId = (): Promise<string> => ask("SELECT system_identifier FROM pg_control_system()");
const archiveField = (path: string): Promise<string> => field(`archives/${name}-${name}`, path);

/** The Stanza lacks nothing but this: both repositories are there, and of one database system. */
const untilOnly = (lacking: RegExp): Promise<unknown> =>
  until(`the Stanza to lack nothing but ${lacking}`, 120_000, async () => lacking.test(await message("Redundant")));

let systemOf15: string;
let momentOn15: string;

beforeAll(async () => {
  await freshNamespace(namespace);
  await applyAll(namespace, [...secrets, withRepositories(repositories)]);
  await applyAll(namespace, [changed(cluster, "pg", { ...small, instances: 1 })]);
  await untilHealthy(namespace, "pg");
  await ask(ordersTable);
  await insertRows(100);
  await backUp("on-15");
  await insertRows(20);
  momentOn15 = await ask("SELECT clock_timestamp()");
  // The end of its WAL is archived only while PostgreSQL 15 stops: recovery to that moment needs a commit after it.
  await insertRows(10);
  await untilOnly(/^repository 2 has no full backup/);
  systemOf15 = await systemId();
});

afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));

describe("a major upgrade of a Cluster with a Stanza", () => {
  it("goes on archiving to the same Stanza, in both repositories", async () => {
    await applyAll(namespace, [changed(cluster, "pg", { ...small, instances: 1, imageName: imageOf17 })]);
    await until("the data to be of PostgreSQL 17", 240_000, async () => {
      const path = "{.status.pgDataImageInfo.majorVersion}";
      return (await read(namespace, "clusters.postgresql.cnpg.io/pg", path)) === "17";
    });
    await untilHealthy(namespace, "pg");
    expect(await ask("SHOW server_version_num")).toMatch(/^17/);
    expect(await systemId()).not.toBe(systemOf15);
    expect(await countRows("pg")).toBe(130);
    // Looked at in the end.
    await applyAll(namespace, [changed(recovery, "before", { ...recovered, bootstrap: at(momentOn15) })]);
    await insertRows(30);
    await archiveAll(await primary());
    await until("the Stanza to be the new system's", 90_000, async () => {
      return (await stanzaField(".status.systemID")) === (await systemId());
    });
    await untilOnly(/^repository 1 has no full backup.*; repository 2 has no full backup/);
    await untilCondition("Ready", "True");
  });

  it("offers nothing of the old system as a moment of the new one, and keeps its backup", async () => {
    const system = await systemId();
    await until("the Archive to follow", 30_000, async () => (await archiveField(".status.systemID")) === system);
    console.log(await kubectl(["get", "archives", "-n", namespace, "-o", "wide"]));
    expect(await stanzaField(".status.windowFrom")).toBe("");
    expect(await archiveField(".status.windowFrom")).toBe("");
    expect(await archiveField(".status.backups")).toBe("1");
    expect(await archiveField('.status.conditions[?(@.type=="Ready")].reason')).toBe("NoBackup");
    expect(JSON.parse(await stanzaField(".status.formerSystems"))).toMatchObject([
      { systemID: systemOf15, postgresVersion: "15", backups: 1 },
    ]);
    expect(await field("backups.holdfast.dev/on-15", ".status.phase")).toBe("Completed");
    expect(await field("backups.holdfast.dev/on-15", ".status.systemID")).toBe(systemOf15);
  });

  it("gets a full backup next, and says why", async () => {
    await backUp("on-17");
    expect(await field("backups.holdfast.dev/on-17", ".status.type")).toBe("full");
    expect(await field("backups.holdfast.dev/on-17", ".status.typeReason")).toMatch(
      /since the upgrade from PostgreSQL 15 to 17/,
    );
    const rows = await kubectl(["get", "backups", "-n", namespace]);
    console.log(rows, await field("backups.holdfast.dev/on-17", ".status.typeReason"));
    expect(rows).toMatch(/^on-15 +pg +full +Completed/m);
    expect(rows).toMatch(/^on-17 +pg +full +Completed/m);
    const stoppedAt = await field("backups.holdfast.dev/on-17", ".status.stoppedAt");
    await until("the window to begin with the backup on 17", 90_000, async () => {
      return (await archiveField(".status.windowFrom")) === stoppedAt;
    });
    console.log(await kubectl(["get", "archives", "-n", namespace]), await stanzaField(".status.formerSystems"));
  });

  it("is restored from before and after the upgrade, each by its own PostgreSQL", async () => {
    await insertRows(5);
    await archiveAll(await primary());
    await applyAll(namespace, [
      changed(recovery, "wrong", { ...recovered, imageName: imageOf17, bootstrap: at(momentOn15) }),
      changed(recovery, "after", { ...recovered, imageName: imageOf17, bootstrap: { recovery: { source: "origin" } } }),
    ]);
    const refused = await until("a recovery by the wrong PostgreSQL to be refused", 60_000, async () => {
      const reason = await read(namespace, "clusters.postgresql.cnpg.io/wrong", "{.status.phaseReason}");
      return /PostgreSQL 15/.test(reason) && reason;
    });
    console.log(refused);
    expect(refused).toMatch(/no backup but \S+ of PostgreSQL 15 ended by the target time/);
    await kubectl(["delete", "-n", namespace, "clusters.postgresql.cnpg.io/wrong"]);
    await Promise.all([untilHealthy(namespace, "before"), untilHealthy(namespace, "after")]);
    expect(await countRows("before")).toBe(120);
    expect(await countRows("after")).toBe(165);
  });
});
