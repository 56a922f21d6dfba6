// One of a Stanza's two repositories stands still. WAL goes on into the other one and is kept by PostgreSQL for this one,
// until it is back; with a limit to what is kept, it is given up there, told, and made up for by a full backup.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clusterEnvironment } from "../cluster/env.ts";
import { network } from "../cluster/settings.ts";
import { ordersTable } from "./committer.ts";
import { applyAll, changed, exampleOf } from "./manifests.ts";
import { startRelay, type Relay } from "./relay.ts";
import { exampleStanza, small, stanzaSteps } from "./stanzas.ts";
import { freshNamespace, kubectl, primaryOf, psql, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-repository-down";
const folder = `${namespace}-${Date.now()}`;
const cluster = exampleOf("Cluster", "cluster-stanza.yaml", folder);
const { name, secrets, repositories, withRepositories } = exampleStanza(folder);
const steps = stanzaSteps(namespace, name);
const { field, stanzaField, condition, message, untilCondition, insertRows, backUp, lastArchived } = steps;

let relay: Relay;

beforeAll(async () => {
  relay = await startRelay({ host: network.node, port: network.storeTlsPort });
  await freshNamespace(namespace);
  await applyAll(namespace, [...secrets, stanza()]);
  const imageName = clusterEnvironment().HOLDFAST_POSTGRES_IMAGE_17;
  await applyAll(namespace, [changed(cluster, "pg", { ...small, instances: 1, imageName })]);
  await untilHealthy(namespace, "pg");
  await psql(namespace, await primary(), ordersTable);
  await backUp("first");
  await backUp("first-in-two", { selectedRepository: 2 });
  await untilCondition("Redundant", "True");
});

afterAll(async () => {
  await kubectl(["delete", "namespace", namespace, "--wait=false"]);
  relay.close();
});

const primary = (): Promise<string> => primaryOf(namespace, "pg");

/** The second repository of the example is reached by the relay. pgBackRest waits for it as long as eight times this. */
const stanza = (archive: Readonly<Record<string, unknown>> = {}) => {
  const endpoint = `https://${network.node}:${relay.port}`;
  return withRepositories(
    repositories.map((repository, index) => (index === 1 ? { ...repository, endpoint } : repository)),
    { archive: { async: true, ...archive }, customEnvVar: { PGBACKREST_IO_TIMEOUT: "1" } },
  );
};

const row = (number: number, path: string): Promise<string> =>
  stanzaField(`.status.repositories[?(@.key==${number})]${path}`);

/** Ends a segment with rows in it; its name. */
async function closeSegment(): Promise<string> {
  await insertRows(10);
  return psql(namespace, await primary(), "SELECT pg_walfile_name(pg_switch_wal())");
}

const waiting = async (): Promise<readonly string[]> => {
  const sql = "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
  const files = await psql(namespace, await primary(), sql);
  return files === "" ? [] : files.split(" ").map((file) => file.replace(".ready", ""));
};

const untilArchived = (segment: string): Promise<unknown> =>
  until(`${segment} to be archived`, 90_000, async () => (await lastArchived(await primary())) >= segment);

const untilInFirst = (segment: string): Promise<unknown> =>
  until(`${segment} to be in repository 1`, 90_000, async () => (await row(1, ".lastWal")) >= segment);

describe("while the server of repository 2 stands still", () => {
  it("WAL goes into repository 1, PostgreSQL keeps it, and the Stanza says for how long that goes well", async () => {
    relay.freeze();
    const first = await closeSegment();
    const last = await closeSegment();
    await untilInFirst(last);
    expect(await waiting()).toEqual([first, last]);
    await untilCondition("Redundant", "False");
    await until("the forecast", 120_000, async () => {
      await closeSegment();
      return /pg_wal is full/.test(await message("Redundant"));
    });
    console.log(await message("Redundant"));
    expect(await message("Redundant")).toMatch(
      /^repository 2 cannot be read: WAL waits in pg_wal until every repository/,
    );
    expect(await row(1, ".state")).toBe("Ok");
    expect(await row(2, ".state")).toBe("Unreachable");
    expect(await condition("Ready"), "repository 1 is enough").toBe("True");
    expect(await condition("WALContinuous")).toBe("");
    console.log(await kubectl(["get", "stanzas", "-n", namespace, "-o", "wide"]));
  });

  it("it catches up by itself once the server is back", async () => {
    relay.thaw();
    await untilArchived(await closeSegment());
    expect(await waiting()).toEqual([]);
    await untilCondition("Redundant", "True");
    expect(await row(2, ".gap")).toBe("");
  });

  it("WAL beyond archive.pushQueueMax is given up there, told, and made up for by a full backup", async () => {
    await applyAll(namespace, [stanza({ pushQueueMax: "32MiB" })]);
    await untilArchived(await closeSegment());
    relay.freeze();
    const segments: string[] = [];
    for (let count = 0; count < 5; count++) segments.push(await closeSegment());
    await untilArchived(segments[2]!);
    await until("the gap to be told", 120_000, async () => (await row(2, ".gap.segment")) === segments[0]);
    expect(await condition("WALContinuous")).toBe("False");
    console.log(await message("WALContinuous"));
    console.log(await row(2, ".gap"));
    expect(await row(1, ".gap")).toBe("");
    relay.thaw();
    await until("a full backup in repository 2", 150_000, async () => {
      const backup = await row(2, ".gap.backup");
      return backup !== "" && (await field(`backups.holdfast.dev/${backup}`, ".status.phase")) === "Completed";
    });
    await until("the gap to be closed", 120_000, async () => (await row(2, ".gap")) === "");
    expect(await condition("WALContinuous")).toBe("");
    await untilCondition("Redundant", "True");
    console.log(await kubectl(["get", "backups,stanzas", "-n", namespace]));
  });
});
