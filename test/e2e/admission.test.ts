// Admission on the real cluster: what is refused is told by field, what is accepted with a word of warning is told by
// kubectl, both replicas answer, their certificates change while they do, and CloudNativePG's own Clusters are judged.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeClient } from "#kube/client.ts";
import { createRestClient } from "#kube/rest-client.ts";
import { loadClientNodeTransport } from "#kube/transport-client-node.ts";
import { refusedBackups, refusedClusters } from "../admission/others.ts";
import { refusalOf, resources, type Kind } from "../admission/outcome.ts";
import { refusedStanzas } from "../admission/stanzas.ts";
import { goodConfiguration, refusedStores, type RefusedSpec } from "../admission/stores.ts";
import { clusterEnvironment, processEnvironment } from "../cluster/env.ts";
import { archivingTo } from "./manifests.ts";
import { freshNamespace, kubectl, read, until } from "./steps.ts";

const namespace = "e2e-admission";
const elsewhere = "e2e-admission-2";
const operators = "cnpg-system";
let client: KubeClient;
let close: () => void;

beforeAll(async () => {
  const transport = await loadClientNodeTransport(readFileSync(clusterEnvironment().KUBECONFIG, "utf8"));
  client = createRestClient(transport);
  close = () => transport.close();
  await freshNamespace(namespace);
  await freshNamespace(elsewhere);
});
afterAll(async () => {
  close?.();
  for (const name of [namespace, elsewhere])
    await kubectl(["delete", "namespace", name, "--ignore-not-found", "--wait=false"]);
});

interface Outcome {
  readonly stdout: string;
  /** Warnings, and why it failed. */
  readonly stderr: string;
  readonly ok: boolean;
}

async function run(args: readonly string[], input = ""): Promise<Outcome> {
  const child = spawn("kubectl", args, { env: processEnvironment() });
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, ok: status === 0 };
}

const apply = (object: object, where = namespace): Promise<Outcome> =>
  run(["apply", "--namespace", where, "--validate=ignore", "-f", "-"], JSON.stringify(object));

const storeNamed = (name: string, spec: object = {}, configuration: object = {}) => ({
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "ObjectStore",
  metadata: { name },
  spec: {
    configuration: { ...goodConfiguration, destinationPath: `s3://backups/${namespace}/`, ...configuration },
    ...spec,
  },
});

/** A Cluster of which no pod is ever scheduled: it is there, as far as this is about. */
const clusterNamed = (name: string, parameters: Readonly<Record<string, string>>, spec: object = {}) => ({
  apiVersion: "postgresql.cnpg.io/v1",
  kind: "Cluster",
  metadata: { name },
  spec: {
    instances: 1,
    imageName: clusterEnvironment().HOLDFAST_POSTGRES_IMAGE,
    storage: { size: "1Gi" },
    affinity: { nodeSelector: { "test/nowhere": "true" } },
    plugins: archivingTo(parameters),
    ...spec,
  },
});

describe("what cannot work", () => {
  const cases: readonly (RefusedSpec & { readonly kind: Kind })[] = [
    ...refusedStores.map((one) => ({ ...one, kind: "ObjectStore" as const })),
    ...refusedStanzas.map((one) => ({ ...one, kind: "Stanza" as const })),
    ...refusedBackups.map((one) => ({ ...one, kind: "Backup" as const })),
    ...refusedClusters.map((one) => ({ ...one, kind: "Cluster" as const })),
  ];

  it(`is refused by field, in all of ${cases.length} cases, and nothing of it is stored`, async () => {
    const wrong: string[] = [];
    const queue = cases.entries();
    const work = async (): Promise<void> => {
      for (const [index, { kind, what, spec, named }] of queue) {
        const metadata = { name: `refused-${index}`, namespace };
        const object = { metadata, ...(spec !== undefined && { spec }) };
        const refusal = (await refusalOf(client, resources[kind], object)) ?? "accepted";
        // CloudNativePG's own webhook is asked as well, and one of two refusals is shown.
        const isTheirs = /vcluster\.cnpg\.io|mcluster\.cnpg\.io/.test(refusal);
        if (!isTheirs && !named.every((name) => refusal.includes(name))) wrong.push(`${kind} with ${what}: ${refusal}`);
      }
    };
    await Promise.all(Array.from({ length: 4 }, work));
    expect(wrong).toEqual([]);
    for (const resource of Object.values(resources))
      expect((await client.list(resource, { namespace, signal: AbortSignal.timeout(30_000) })).items).toEqual([]);
  });

  it("is shown by kubectl a line a field", async () => {
    const { stderr, ok } = await apply(storeNamed("many", { retentionPolice: "7d" }, { wal: { compresion: "gzip" } }));
    expect(ok).toBe(false);
    expect(stderr).toContain("spec.configuration.wal.compresion: unknown field (did you mean compression?)");
    expect(stderr).toContain("spec.retentionPolice: unknown field (did you mean retentionPolicy?)");
  });
});

describe("what works otherwise than it looks", () => {
  it("is accepted, and kubectl warns", async () => {
    const { stderr, ok } = await apply(
      storeNamed("verbose", { retentionPolicy: "30d" }, { data: { additionalCommandArgs: ["-vv"] } }),
    );
    expect(ok).toBe(true);
    expect(stderr).toContain("Warning: spec.configuration.data.additionalCommandArgs: -vv has no effect");
    expect(stderr).toMatch(/Warning: spec\.retention\.mode: .*nothing is deleted until it is Enforce/);
    const cluster = await apply(clusterNamed("early", { objectStore: "absent" }));
    expect(cluster).toMatchObject({ ok: true, stderr: expect.stringContaining("ObjectStore absent does not exist") });
  });
});

describe("a store and the Clusters that archive to it", () => {
  beforeAll(async () => {
    expect(await apply(storeNamed("minio"))).toMatchObject({ ok: true });
    expect(await apply(clusterNamed("pg", { objectStore: "minio" }))).toMatchObject({ ok: true, stderr: "" });
    await until("the Cluster to be known to both replicas", 20_000, async () => {
      const { stderr } = await run(["delete", "--namespace", namespace, "objectstores/minio", "--dry-run=server"]);
      return stderr.includes("Cluster pg archives to this store");
    });
  });

  it("go in the right order", async () => {
    const deletion = await run(["delete", "--namespace", namespace, "objectstores/minio"]);
    expect(deletion).toMatchObject({ ok: false, stderr: expect.stringContaining("Cluster pg archives to this store") });
    expect(await read(namespace, "objectstores/minio", "{.metadata.deletionTimestamp}")).toBe("");
  });

  it("do not share an archive, in this namespace or another", async () => {
    const second = await apply(clusterNamed("pg-2", { objectStore: "minio", serverName: "pg" }));
    expect(second.stderr).toContain('the archive "pg" in ObjectStore minio is in use by Cluster pg');
    const endpointURL = `http://minio.${namespace}.svc:9000`;
    expect(await apply(storeNamed("same", {}, { endpointURL }), elsewhere)).toMatchObject({ ok: true });
    const foreign = await until("the store to be known", 10_000, async () => {
      const outcome = await apply(clusterNamed("pg", { objectStore: "same" }), elsewhere);
      return !outcome.ok && outcome;
    });
    expect(foreign.stderr).toContain("in use by a Cluster of another namespace");
    expect(foreign.stderr).not.toContain(`${namespace}/`);
  });

  it("need a new server name with a new major version of PostgreSQL", async () => {
    const imageName = clusterEnvironment().HOLDFAST_POSTGRES_IMAGE_17;
    const upgrade = await apply(clusterNamed("pg", { objectStore: "minio" }, { imageName }));
    expect(upgrade.stderr).toMatch(
      /spec\.imageName: PostgreSQL 17 would archive into "pg", the archive of PostgreSQL 15/,
    );
    expect(upgrade.stderr).toContain("spec.plugins[0].parameters.serverName, such as pg-17");
  });

  it("go at once with their namespace", async () => {
    const signal = AbortSignal.timeout(120_000);
    await kubectl(["delete", "namespace", namespace, "--wait", "--timeout=110s"], { signal });
  });
});

describe("the replicas", () => {
  const review = JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "1",
      operation: "CREATE",
      kind: { group: "holdfast.dev", version: "v1alpha1", kind: "ObjectStore" },
      resource: { group: "holdfast.dev", version: "v1alpha1", resource: "objectstores" },
      namespace: elsewhere,
      name: "x",
      object: storeNamed("x"),
    },
  });

  /** Asks one replica as the API server does; the serial number of the certificate that it showed. */
  async function ask(address: string): Promise<string> {
    const ca = Buffer.from(await read(operators, "secret/holdfast-ca", "{.data.ca\\.crt}"), "base64").toString();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const sent = request(
      {
        host: address,
        port: 9443,
        path: "/validate",
        method: "POST",
        agent: false,
        ca,
        servername: `holdfast-webhook.${operators}.svc`,
        headers: { "content-type": "application/json" },
      },
      (response) => {
        const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
        const answered = text(response).then((body) => {
          if (!body.includes('"allowed":true')) throw new Error(body);
          return serialNumber;
        });
        resolve(answered);
      },
    );
    sent.on("error", reject);
    sent.end(review);
    return promise;
  }

  it("both answer, and go on while their certificate is replaced", async () => {
    const pods = ["pods", "--namespace", operators, "-l", "app.kubernetes.io/name=holdfast"];
    const ips = await kubectl([
      "get",
      ...pods,
      "--field-selector=status.phase=Running",
      "-o",
      "jsonpath={.items[*].status.podIP}",
    ]);
    const addresses = ips.split(" ");
    expect(addresses).toHaveLength(2);
    const before = await Promise.all(addresses.map(ask));
    expect(new Set(before).size).toBe(1);

    const failures: string[] = [];
    const stop = new AbortController();
    const asking = (async () => {
      while (!stop.signal.aborted) {
        const { stderr } = await apply(storeNamed("asked", { unknown: 1 }), elsewhere);
        if (!stderr.includes("spec.unknown: unknown field")) failures.push(stderr);
      }
    })();
    await kubectl(["delete", "--namespace", operators, "secret/holdfast-webhook-tls"]);
    // The leader looks at its certificates when their place in the API changes.
    await kubectl(["annotate", "validatingwebhookconfiguration/holdfast", "--overwrite", `test/look=${Date.now()}`]);
    const after = await until("both replicas to serve the new certificate", 60_000, async () => {
      const serials = await Promise.all(addresses.map(ask));
      return serials.every((serial) => serial !== before[0]) && serials;
    });
    stop.abort();
    await asking;
    expect(new Set(after).size).toBe(1);
    expect(failures).toEqual([]);
  });
});
