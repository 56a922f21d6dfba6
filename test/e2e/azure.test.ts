// A Cluster that archives to a Stanza in Azure Blob Storage, which is Azurite on the node's address for this journey: WAL, a
// backup, and a new cluster from both.
import { afterAll, beforeAll, expect, it } from "vitest";
import { network } from "../cluster/settings.ts";
import { startAzurite, type Azurite } from "../contract/azurite.ts";
import { ordersTable } from "./committer.ts";
import { applyAll, changed, exampleOf, type Manifest } from "./manifests.ts";
import { freshNamespace, kubectl, primaryOf, psql, read, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-azure";
const cluster = exampleOf("Cluster", "cluster-stanza.yaml", namespace);
const recovery = exampleOf("Cluster", "recovery-stanza.yaml", namespace);
const small = { storage: { size: "1Gi" }, instances: 1 };

let azurite: Azurite;

function manifests(): readonly Manifest[] {
  const { account, container, endpoint, key, ca } = azurite;
  const at = (name: string) => ({ name: "azure", key: name });
  const repository = {
    account,
    container,
    endpoint,
    uriStyle: "path",
    repoPath: "/pg",
    endpointCA: at("CA"),
    secretRef: { keyReference: at("KEY") },
  };
  const stanzaConfiguration = { name: "main", startFast: true, azureRepositories: [repository] };
  return [
    { apiVersion: "v1", kind: "Secret", metadata: { name: "azure" }, stringData: { KEY: key, CA: ca } },
    {
      apiVersion: "holdfast.dev/v1alpha1",
      kind: "Stanza",
      metadata: { name: "main" },
      spec: { stanzaConfiguration },
    },
    changed(cluster, "pg", small),
  ];
}

const sql = async (name: string, text: string): Promise<string> =>
  psql(namespace, await primaryOf(namespace, name), text);

beforeAll(async () => {
  azurite = await startAzurite({ host: network.node });
  await freshNamespace(namespace);
  await applyAll(namespace, manifests());
  await untilHealthy(namespace, "pg");
});

afterAll(async () => {
  await kubectl(["delete", "namespace", namespace, "--wait=false"]);
  await azurite?.stop();
});

it("is archived to, backed up to and recovered from", async () => {
  await sql("pg", ordersTable);
  await sql("pg", "INSERT INTO orders(note) SELECT 'order ' || i FROM generate_series(1, 100) i");
  const metadata = { name: "first" };
  const spec = { cluster: { name: "pg" } };
  await applyAll(namespace, [{ apiVersion: "holdfast.dev/v1alpha1", kind: "Backup", metadata, spec }]);
  await until("the backup to be completed", 180_000, async () => {
    const state = await read(namespace, "backups.holdfast.dev/first", "{.status.phase}|{.status.error}");
    if (state.startsWith("Failed")) throw new Error(state);
    return state.startsWith("Completed");
  });
  await sql("pg", "INSERT INTO orders(note) SELECT 'late ' || i FROM generate_series(1, 20) i");
  const segment = await sql("pg", "SELECT pg_walfile_name(pg_switch_wal())");
  const archived = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver";
  await until(`${segment} to be archived`, 90_000, async () => (await sql("pg", archived)) >= segment);
  await until("the Stanza to be Ready and made", 120_000, async () => {
    const each = '{range .status.conditions[?(@.status=="True")]}{.type} {end}';
    const good = (await read(namespace, "stanzas/main", each)).split(" ");
    return good.includes("Ready") && good.includes("StanzaCreated");
  });
  const restored = { ...small, bootstrap: { recovery: { source: "origin" } }, plugins: [] };
  await applyAll(namespace, [changed(recovery, "restored", restored)]);
  await untilHealthy(namespace, "restored");
  expect(await sql("restored", "SELECT count(*) FROM orders")).toBe("120");
  const location = await read(namespace, "backups.holdfast.dev/first", "{.status.destinationPath}");
  expect(location).toBe(`azure://${azurite.container}/pg`);
});
