// Admission as the API server meets it: real kinds, the real configuration, our server; what is refused is not stored.
import { once } from "node:events";
import { request } from "node:https";
import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeClient } from "#kube/client.ts";
import { readyPath } from "#webhooks/server.ts";
import { acceptedObjects } from "../admission/accepted.ts";
import { refusedBackups, refusedClusters } from "../admission/others.ts";
import { resources, type Kind } from "../admission/outcome.ts";
import { refusedSchedules } from "../admission/schedules.ts";
import { refusedStanzas } from "../admission/stanzas.ts";
import { goodConfiguration, refusedStores, type RefusedSpec } from "../admission/stores.ts";
import { issueServing, makeAuthority, type AdmissionUnderTest } from "./admission-server.ts";
import { clusterTo, startAdmissionSession, thing, type AdmissionSession } from "./admission-session.ts";
import { type ApiServer, waitUntil } from "./api-server.ts";
import { namespaces, signal } from "./kube-widget.ts";
import { kubectl } from "./kubectl.ts";

let session: AdmissionSession;
let api: ApiServer;
let client: KubeClient;
let admission: AdmissionUnderTest;
let { create, change, remove, untilKnown, setStatus, newNamespace }: AdmissionSession = {} as AdmissionSession;
beforeAll(async () => {
  session = await startAdmissionSession();
  ({ api, client, admission, create, change, remove, untilKnown, setStatus, newNamespace } = session);
});
afterAll(() => session?.stop());

const goodStore = { configuration: goodConfiguration };
describe("what is refused, by the fields that are wrong", () => {
  const refuse = async (kind: Kind, { spec, named }: RefusedSpec): Promise<void> => {
    const refusal = await create(kind, thing("refused", spec));
    expect(refusal).toBeDefined();
    for (const name of named) expect(refusal).toContain(name);
    expect(refusal).not.toContain("hunter2");
    expect(refusal?.length).toBeLessThan(40_000);
    expect(await isAlive()).toBe(true);
  };

  it.each(refusedStores)("an ObjectStore with $what", (refused) => refuse("ObjectStore", refused));
  it.each(refusedStanzas)("a Stanza with $what", (refused) => refuse("Stanza", refused));
  it.each(refusedBackups)("a Backup with $what", (refused) => refuse("Backup", refused));
  it.each(refusedSchedules)("a BackupSchedule with $what", (refused) => refuse("BackupSchedule", refused));
  it.each(refusedClusters)("a Cluster with $what", (refused) => refuse("Cluster", refused));

  it("and nothing of it is stored", async () => {
    expect(refusedStores.length + refusedBackups.length + refusedClusters.length).toBeGreaterThan(150);
    expect(refusedStanzas.length).toBeGreaterThan(80);
    for (const resource of Object.values(resources))
      expect((await client.list(resource, { signal: signal() })).items).toEqual([]);
  });

  it("says what to write also where the API server itself refuses", async () => {
    const refusal = await create("ObjectStore", thing("days", { ...goodStore, retentionPolicy: "30" }));
    expect(refusal).toContain("spec.retentionPolicy");
    expect(refusal).toContain("write a number and d, w or m, such as 30d");
  });

  it("says all that is wrong at once, sorted, as kubectl lists it", async () => {
    const spec = { configuration: { destinationPath: "x", wal: { compresion: "gzip" } }, retentionPolice: "1d" };
    const { stderr, status } = await kubectl(api, ["create", "--validate=ignore", "-f", "-"], {
      apiVersion: "holdfast.dev/v1alpha1",
      kind: "ObjectStore",
      ...thing("many", spec),
    });
    expect(status).toBe(1);
    expect(stderr.trim().split("\n")).toEqual([
      'The ObjectStore "many" is invalid: ',
      '* spec.configuration.destinationPath: "x" is not the URL of a bucket (write s3://bucket/path)',
      "* spec.configuration.s3Credentials: no credentials (give the key pair or inheritFromIAMRole)",
      "* spec.configuration.wal.compresion: unknown field (did you mean compression?)",
      "* spec.retentionPolice: unknown field (did you mean retentionPolicy?)",
    ]);
  });
});

describe("what is accepted", () => {
  it.each(acceptedObjects)("$kind $object.metadata.name: $what", async ({ object, warned = [] }) => {
    const { stderr, status } = await kubectl(api, ["create", "--validate=strict", "-f", "-"], object);
    expect(stderr).toBe(
      stderr
        .split("\n")
        .filter((line) => line === "" || line.startsWith("Warning: "))
        .join("\n"),
    );
    expect(status).toBe(0);
    const lines = stderr.split("\n").filter((line) => line !== "");
    expect(lines).toHaveLength(warned.length);
    for (const part of warned) expect(stderr).toContain(part);
  });

  it("without being asked about: a Cluster that does not name the plugin", async () => {
    const before = admission.asked.length;
    expect(await create("Cluster", thing("stranger", { instances: 1, storage: { size: "1Gi" } }))).toBeUndefined();
    const other = { plugins: [{ name: "barman-cloud.cloudnative-pg.io", parameters: { barmanObjectName: "x" } }] };
    expect(
      await create("Cluster", thing("other", { instances: 1, storage: { size: "1Gi" }, ...other })),
    ).toBeUndefined();
    expect(admission.asked.slice(before)).toEqual([]);
  });

  it("with a warning: a Cluster whose store is still to be made", async () => {
    const cluster = { ...thing("early", clusterTo({ objectStore: "absent" })), kind: "Cluster" };
    const { stderr, status } = await kubectl(api, ["create", "-f", "-"], {
      ...cluster,
      apiVersion: "postgresql.cnpg.io/v1",
    });
    expect(stderr).toContain("Warning: ObjectStore absent does not exist");
    expect(status).toBe(0);
  });
});

describe("an object that is wrong already", () => {
  const namespace = "lenient";
  beforeAll(async () => {
    await newNamespace(namespace, { "holdfast.dev/admission": "disabled" });
    const spec = { configuration: { ...goodConfiguration, compresion: "gzip" } };
    await waitUntil("admission is off in the namespace", async () => {
      return (await create("ObjectStore", thing("wrong", spec, namespace))) === undefined;
    });
    await create("ObjectStore", thing("kept", spec, namespace, { finalizers: ["test.dev/kept"] }));
    await create("Cluster", thing("wrong", clusterTo({ objectStore: "minio", servername: "x" }), namespace));
    const labels = { metadata: { labels: { "holdfast.dev/admission": null } } };
    await client.patch(namespaces, { name: namespace }, labels, { type: "merge", signal: signal() });
    await waitUntil(
      "admission is on again",
      async () =>
        (await create("ObjectStore", thing("x", {}, namespace))) !== undefined &&
        (await change("ObjectStore", "wrong", { spec: { retentionPolicy: "7d" } }, namespace)) !== undefined,
    );
  });

  it("may be labelled, and its status written", async () => {
    expect(await change("ObjectStore", "wrong", { metadata: { labels: { a: "b" } } }, namespace)).toBeUndefined();
    const status = { metadata: { name: "wrong", namespace }, status: { serverCount: 0 } };
    const options = { fieldManager: "test", subresource: "status", signal: signal() } as const;
    await expect(client.apply(resources.ObjectStore, status, options)).resolves.toBeDefined();
  });

  it("may not be changed into another wrong one, but be mended", async () => {
    const refusal = await change("ObjectStore", "wrong", { spec: { retentionPolicy: "8d" } }, namespace);
    expect(refusal).toContain("spec.configuration.compresion");
    expect(
      await change("ObjectStore", "wrong", { spec: { configuration: { compresion: null } } }, namespace),
    ).toBeUndefined();
  });

  it("is never kept from going away", async () => {
    expect(await remove("ObjectStore", "kept", namespace)).toBeUndefined();
    expect(await change("ObjectStore", "kept", { spec: { retentionPolicy: "8d" } }, namespace)).toBeUndefined();
    expect(await change("ObjectStore", "kept", { metadata: { finalizers: null } }, namespace)).toBeUndefined();
    expect(await client.get(resources.ObjectStore, { namespace, name: "kept" }, { signal: signal() })).toBeUndefined();
  });

  it("may be scaled when it is a Cluster, with what is wrong as a warning", async () => {
    expect(await change("Cluster", "wrong", { spec: { instances: 2 } }, namespace)).toBeUndefined();
    const worse = { spec: { plugins: clusterTo({ objectStore: "minio", severname: "y" }).plugins } };
    expect(await change("Cluster", "wrong", worse, namespace)).toContain("spec.plugins[0].parameters.severname");
  });
});

describe("a store that a Cluster archives to", () => {
  const inStore = (destinationPath: string) => ({ configuration: { ...goodConfiguration, destinationPath } });
  beforeAll(async () => {
    await create("ObjectStore", thing("used", inStore("s3://used/")));
    await create("Cluster", thing("user", clusterTo({ objectStore: "used" })));
    await untilKnown("used");
    await untilKnown("user");
    await setStatus("user", { currentPrimary: "user-1" });
  });
  it("cannot be deleted, and the refusal names the Cluster", async () => {
    expect(await remove("ObjectStore", "used")).toContain("Cluster user archives to this store");
  });

  it("cannot be moved", async () => {
    const refusal = await change("ObjectStore", "used", { spec: inStore("s3://other/") });
    expect(refusal).toMatch(/spec\.configuration\.destinationPath: Cluster user archives here/);
    const endpoint = { spec: { configuration: { endpointURL: "http://other:9000" } } };
    expect(await change("ObjectStore", "used", endpoint)).toContain("spec.configuration.endpointURL");
    expect(
      await change("ObjectStore", "used", { spec: { configuration: { wal: { maxParallel: 2 } } } }),
    ).toBeUndefined();
    expect(await change("ObjectStore", "used", { spec: inStore("s3://used") })).toBeUndefined();
  });

  it("shares no archive with another Cluster, of any namespace", async () => {
    const shared = clusterTo({ objectStore: "used", serverName: "user" });
    const refusal = await create("Cluster", thing("second", shared));
    expect(refusal).toMatch(/parameters\.serverName: the archive "user" in ObjectStore used is in use by Cluster user/);
    await newNamespace("elsewhere");
    const place = { endpointURL: "http://minio.default.svc:9000", destinationPath: "s3://used" };
    await create("ObjectStore", thing("same", { configuration: { ...goodConfiguration, ...place } }, "elsewhere"));
    await untilKnown("same", "elsewhere");
    const foreign = await create(
      "Cluster",
      thing("third", clusterTo({ objectStore: "same", serverName: "user" }), "elsewhere"),
    );
    expect(foreign).toContain('"user" in ObjectStore same is in use by a Cluster of another namespace');
    expect(foreign).not.toContain("default");
    // Made before its store, the Cluster is accepted; then the store is not.
    const early = clusterTo({ objectStore: "late", serverName: "user" });
    expect(await create("Cluster", thing("fourth", early, "elsewhere"))).toBeUndefined();
    await untilKnown("fourth", "elsewhere");
    const late = await create(
      "ObjectStore",
      thing("late", { configuration: { ...goodConfiguration, ...place } }, "elsewhere"),
    );
    expect(late).toMatch(/spec\.configuration\.destinationPath: Cluster fourth would archive into "user" there/);
  });

  it("needs a new server name for a new major version", async () => {
    const image = (major: number) => ({ imageName: `ghcr.io/cloudnative-pg/postgresql:${major}` });
    expect(await change("Cluster", "user", { spec: image(16) })).toBeUndefined();
    const refusal = await change("Cluster", "user", { spec: image(17) });
    expect(refusal).toMatch(/spec\.imageName: PostgreSQL 17 would archive into "user", the archive of PostgreSQL 16/);
    expect(refusal).toContain("spec.plugins[0].parameters.serverName, such as user-17");
    const { plugins } = clusterTo({ objectStore: "used", serverName: "user-17" });
    expect(await change("Cluster", "user", { spec: { ...image(17), plugins } })).toBeUndefined();
  });

  it("may be moved while nothing is in it, so that a mistyped place can be corrected", async () => {
    await create("ObjectStore", thing("mistyped", inStore("s3://mistyped/")));
    await create("Cluster", thing("stuck", clusterTo({ objectStore: "mistyped" })));
    await untilKnown("stuck");
    await setStatus("stuck", { currentPrimary: "stuck-1" });
    expect(await change("ObjectStore", "mistyped", { spec: inStore("s3://right/") })).toContain("destinationPath");
    const failing = { type: "ContinuousArchiving", status: "False", reason: "ContinuousArchivingFailing" };
    const conditions = [{ ...failing, message: "no such bucket", lastTransitionTime: new Date().toISOString() }];
    await setStatus("stuck", { currentPrimary: "stuck-1", conditions });
    expect(await change("ObjectStore", "mistyped", { spec: inStore("s3://right/") })).toBeUndefined();
  });

  it("may be deleted when the Cluster is gone", async () => {
    expect(await remove("Cluster", "user")).toBeUndefined();
    await waitUntil("that is known", async () => (await remove("ObjectStore", "used")) === undefined);
  });

  it("may be deleted with its whole namespace", async () => {
    const namespace = "closing";
    await newNamespace(namespace);
    await create("ObjectStore", thing("store", goodStore, namespace));
    await create("Cluster", thing("pg", clusterTo({ objectStore: "store" }), namespace));
    await untilKnown("pg", namespace);
    expect(await remove("ObjectStore", "store", namespace)).toBeDefined();
    await client.delete(namespaces, { name: namespace }, { signal: signal() });
    await waitUntil(
      "that is known",
      () => admission.caches.namespaces.get({ name: namespace })?.metadata.deletionTimestamp !== undefined,
    );
    expect(await remove("ObjectStore", "store", namespace)).toBeUndefined();
  });
});

describe("the webhooks' certificate", () => {
  it("is renewed, authority and all, without one request failing", async () => {
    const successor = await makeAuthority();
    const outcomes: (string | undefined)[] = [];
    const stop = new AbortController();
    const asking = (async () => {
      while (!stop.signal.aborted)
        outcomes.push(await create("ObjectStore", thing("probe", { configuration: { destinationPath: "x" } })));
    })();
    const both = Buffer.from(admission.authority.certificate + successor.certificate).toString("base64");
    await admission.configure({ caBundle: both });
    await waitUntil("requests go on", () => outcomes.length > 20);
    admission.server.updateCertificates(await issueServing(successor));
    await admission.configure({ caBundle: Buffer.from(successor.certificate).toString("base64") });
    await waitUntil("requests go on", () => outcomes.length > 60);
    stop.abort();
    await asking;
    expect(outcomes.filter((text) => !text?.includes("destinationPath"))).toEqual([]);
  });
});

describe("while nobody answers", () => {
  const namespace = "unheard";
  beforeAll(async () => {
    await newNamespace(namespace);
    await create("ObjectStore", thing("store", goodStore, namespace));
    await create("ObjectStore", thing("kept", goodStore, namespace, { finalizers: ["test.dev/kept"] }));
    await create("Cluster", thing("pg", clusterTo({ objectStore: "store" }), namespace));
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await admission.configure({ url: `https://localhost:${port}/validate` });
  });

  it("nothing of ours is stored, and Clusters are", async () => {
    await waitUntil("the API server meets a closed port", async () => {
      return /failed calling webhook/.test((await create("ObjectStore", thing("unseen", goodStore))) ?? "");
    });
    expect(await create("Cluster", thing("unjudged", clusterTo({ objectStor: "minio" })))).toBeUndefined();
    expect(await change("ObjectStore", "store", { spec: { retentionPolicy: "8d" } }, namespace)).toContain("failed");
    expect(await remove("ObjectStore", "store", namespace)).toContain("failed calling webhook");
  });

  it("what says nothing new may be written: labels, finalizers, all of what is going away", async () => {
    expect(await change("ObjectStore", "store", { metadata: { labels: { a: "b" } } }, namespace)).toBeUndefined();
    expect(
      await change("ObjectStore", "store", { metadata: { finalizers: ["test.dev/x"] } }, namespace),
    ).toBeUndefined();
    expect(await change("ObjectStore", "store", { metadata: { finalizers: null } }, namespace)).toBeUndefined();
  });

  it("a namespace can still be emptied by the one who does that", async () => {
    const emptying = async (name: string) => {
      const as = ["--as=system:serviceaccount:kube-system:namespace-controller", "--as-group=system:masters"];
      return kubectl(api, ["delete", "objectstore", name, "-n", namespace, "--wait=false", ...as], {});
    };
    expect(await emptying("store")).toMatchObject({ stderr: "", status: 0 });
    expect(await emptying("kept")).toMatchObject({ stderr: "", status: 0 });
    expect(await change("ObjectStore", "kept", { metadata: { finalizers: null } }, namespace)).toBeUndefined();
    for (const name of ["store", "kept"])
      expect(await client.get(resources.ObjectStore, { namespace, name }, { signal: signal() })).toBeUndefined();
  });
});

async function isAlive(): Promise<boolean> {
  const { status } = await ask(readyPath);
  return status === 200;
}

/** A GET at the server's own port. */
async function ask(path: string): Promise<{ readonly status: number }> {
  return new Promise((resolve, reject) => {
    const options = { host: "localhost", port: admission.server.port, path, ca: admission.authority.certificate };
    const asked = request({ ...options, agent: false }, (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0 });
    });
    asked.on("error", reject).end();
  });
}
