// The controller of ObjectStores on a real API server and a real MinIO: what its status says as the Secret changes, and
// that it writes nothing while nothing changes.
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { apiVersion, archives, backups, instanceReports, objectStores } from "#api/kinds.ts";
import { Catalogs } from "#controllers/catalogs.ts";
import { storeReconcile, type StoreDeps } from "#controllers/object-store/controller.ts";
import { Trigger } from "#controllers/trigger.ts";
import type { KubeClient } from "#kube/client.ts";
import { createEventRecorder, events } from "#kube/events.ts";
import { createInformer } from "#kube/informer.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { createLogger } from "#observe/logger.ts";
import { openStore } from "#store/open.ts";
import { createOperatorStores, type OperatorStores } from "../../src/cmd/operator/stores.ts";
import { type ApiServer, startApiServer, waitUntil } from "./api-server.ts";
import { configMaps, adminClient, definitions, signal } from "./kube-widget.ts";
import { minioRegion, startMinio, type Minio } from "./minio.ts";

const logger = createLogger("error");
const namespace = "default";
const secrets: Resource = { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };
const folder = randomUUID();

let server: ApiServer;
let minio: Minio;
let client: KubeClient & { close(): void };
let deps: StoreDeps;
let opened: OperatorStores;
let writes: string[] = [];
const stop = new AbortController();
const running: Promise<unknown>[] = [];

/** The same client, noting every call that changes something. */
function counting(inner: KubeClient): KubeClient {
  const noted = (name: string, resource: Resource): void => void writes.push(`${name} ${resource.kind}`);
  return {
    ...inner,
    apply: (resource, ...rest) => (noted("apply", resource), inner.apply(resource, ...rest)),
    create: (resource, ...rest) => (noted("create", resource), inner.create(resource, ...rest)),
    patch: (resource, ...rest) => (noted("patch", resource), inner.patch(resource, ...rest)),
    replace: (resource, ...rest) => (noted("replace", resource), inner.replace(resource, ...rest)),
    delete: (resource, ...rest) => (noted("delete", resource), inner.delete(resource, ...rest)),
  };
}

beforeAll(async () => {
  [server, minio] = await Promise.all([startApiServer(), startMinio()]);
  client = await adminClient(server);
  const folderOfKinds = join(import.meta.dirname, "..", "..", "crds");
  for (const file of readdirSync(folderOfKinds).filter((name) => name !== "kustomization.yaml")) {
    const definition = parse(readFileSync(join(folderOfKinds, file), "utf8")) as KubeObject;
    await client.apply(definitions, definition, { fieldManager: "test", signal: signal() });
  }
  for (const kind of [objectStores, archives, backups, instanceReports]) {
    await waitUntil(`${kind.plural} are served`, () =>
      client.list(kind, { signal: signal() }).then(
        () => true,
        () => false,
      ),
    );
  }
  const counted = counting(client);
  const shared = { client, logger };
  const informers = {
    stores: createInformer<ObjectStore>({ ...shared, resource: objectStores }),
    archives: createInformer<Archive>({ ...shared, resource: archives }),
    backups: createInformer<Backup>({ ...shared, resource: backups }),
    reports: createInformer<InstanceReport>({ ...shared, resource: instanceReports }),
    // There are no Clusters here.
    clusters: createInformer<KubeObject>({ ...shared, resource: configMaps, labelSelector: "nothing=has-this" }),
  };
  for (const informer of Object.values(informers)) running.push(informer.run(stop.signal));
  await Promise.all(Object.values(informers).map((informer) => informer.synced(signal())));
  opened = createOperatorStores(counted, informers.stores, logger);
  deps = {
    ...informers,
    client: counted,
    catalogs: new Catalogs(),
    lookAtStore: new Trigger(),
    openStore: opened.open,
    events: createEventRecorder({ client: counted, instance: "test", logger }),
  };
});
afterAll(async () => {
  stop.abort();
  await Promise.allSettled(running);
  opened?.close();
  client?.close();
  await minio?.stop();
  await server?.stop();
});

/** What MinIO was started with. */
const rightKey = (): string => {
  const { credentials } = minio.config();
  return credentials.kind === "keys" ? credentials.secretAccessKey : "";
};

const login = (name: string, secretAccessKey: string): Promise<KubeObject> => {
  const stringData = { id: "contract", key: secretAccessKey, region: minioRegion };
  const secret = { metadata: { name, namespace }, stringData };
  return client.apply(secrets, secret, { fieldManager: "test", signal: signal() });
};

const storeNamed = async (name: string, secret: string, path = "empty"): Promise<void> => {
  const at = (key: string) => ({ name: secret, key });
  const s3Credentials = { accessKeyId: at("id"), secretAccessKey: at("key"), region: at("region") };
  const configuration = {
    destinationPath: `s3://backups/${folder}/${path}/`,
    endpointURL: minio.endpoint,
    s3Credentials,
  };
  const store = { apiVersion, kind: "ObjectStore", metadata: { name, namespace }, spec: { configuration } };
  await client.apply(objectStores, store, { fieldManager: "test", signal: signal() });
  await waitUntil(`${name} is seen`, () => deps.stores.get({ namespace, name }) !== undefined);
};

const shown = async (name: string) =>
  (await client.get<ObjectStore>(objectStores, { namespace, name }, { signal: signal() }))?.status;
const condition = async (name: string, type: string) =>
  (await shown(name))?.conditions?.find((each) => each.type === type);

/** As the controller does, until the cache shows what the API server has. */
async function settle(reconcile: ReturnType<typeof storeReconcile>, name: string): Promise<void> {
  await reconcile({ namespace, name }, signal(), logger);
  const version = (await client.get(objectStores, { namespace, name }, { signal: signal() }))?.metadata.resourceVersion;
  await waitUntil(
    `the status of ${name} is seen`,
    () => deps.stores.get({ namespace, name })?.metadata.resourceVersion === version,
  );
}

describe("an ObjectStore", () => {
  it("follows its Secret: wrong, corrected, gone, with a preflight each time", async () => {
    const reconcile = storeReconcile(deps);
    const until = (type: string, wanted: string) =>
      waitUntil(`${type} is ${wanted}`, async () => {
        await settle(reconcile, "rotated");
        const { status, reason } = (await condition("rotated", type)) ?? {};
        return `${status} ${reason}` === wanted;
      });
    await login("rotated", "a-wrong-secret");
    await storeNamed("rotated", "rotated");
    await until("Ready", "False AccessDenied");
    const failing = await shown("rotated");
    expect(failing?.checks?.find(({ name }) => name === "Login")).toMatchObject({ status: "Failed" });
    expect(failing?.checks?.find(({ name }) => name === "Put")).toMatchObject({ status: "NotRun" });
    expect(JSON.stringify(failing)).not.toContain("a-wrong-secret");

    await login("rotated", rightKey());
    await until("Ready", "True Succeeded");
    expect((await shown("rotated"))?.checks?.find(({ name }) => name === "Delete")).toMatchObject({ status: "Passed" });
    expect(await condition("rotated", "Stalled")).toBeUndefined();

    // A Ready store, whose last preflight is seconds old, is tried anew when the Secret changes.
    await login("rotated", "another-wrong-secret");
    await until("CredentialsValid", "False AccessDenied");
    await client.delete(secrets, { namespace, name: "rotated" }, { signal: signal() });
    await until("Ready", "False SecretNotFound");
    expect((await shown("rotated"))?.checks).toBeUndefined();

    const { items } = await client.list<KubeObject>(events, { namespace, signal: signal() });
    const told = items as readonly (KubeObject & { reason: string; note: string; regarding: { name: string } })[];
    const ours = told.filter(({ regarding }) => regarding.name === "rotated");
    // The second refusal says what the first one said minutes ago.
    expect(ours.map(({ reason }) => reason).toSorted()).toEqual(["AccessDenied", "SecretNotFound", "Succeeded"]);
    expect(JSON.stringify(ours)).not.toMatch(/wrong-secret|contract-test-secret/);
  });

  it("says nothing of a spec that it did not look at: each verdict is about the generation beside it", async () => {
    const reconcile = storeReconcile(deps);
    await login("moved", rightKey());
    await storeNamed("moved", "moved");
    await settle(reconcile, "moved");
    expect(await condition("moved", "Ready")).toMatchObject({ status: "True", observedGeneration: 1 });
    // Right after a look, from which the Secrets are still known.
    const spec = { configuration: { destinationPath: "s3://missing/" } };
    await client.patch(objectStores, { namespace, name: "moved" }, { spec }, { type: "merge", signal: signal() });
    await waitUntil(
      "the change is seen",
      () => deps.stores.get({ namespace, name: "moved" })?.metadata.generation === 2,
    );
    await settle(reconcile, "moved");
    const verdict = { status: "False", reason: "NoSuchBucket", observedGeneration: 2 };
    expect(await condition("moved", "Ready")).toMatchObject(verdict);
    expect((await shown("moved"))?.observedGeneration).toBe(2);
  });

  it(
    "costs no write while nothing changes: 50 looks at 100 stores, some of them broken",
    { timeout: 400_000 },
    async () => {
      await login("right", rightKey());
      await login("wrong", "a-wrong-secret");
      const filled = await openStore(minio.config({ prefix: `${folder}/full/` }));
      // With a server in every fifth, so that there are Archives too.
      const segment = "pg/wals/0000000100000000/000000010000000000000001";
      await filled.put(segment, Buffer.alloc(1024), { signal: signal() });
      filled.close();
      const names = Array.from({ length: 100 }, (_, index) => `idle-${index}`);
      const secretOf = (index: number): string => (index % 10 === 9 ? "absent" : index % 10 === 8 ? "wrong" : "right");
      for (const [index, name] of names.entries()) {
        await storeNamed(name, secretOf(index), index % 5 === 0 ? "full" : "empty");
      }
      const reconcile = storeReconcile(deps);
      const everyOne = async (look: (name: string) => Promise<unknown>): Promise<void> => {
        const rest = [...names];
        const worker = async (): Promise<void> => {
          for (let name = rest.pop(); name !== undefined; name = rest.pop()) await look(name);
        };
        await Promise.all(Array.from({ length: 8 }, worker));
      };
      for (let round = 0; round < 3; round++) await everyOne((name) => settle(reconcile, name));
      expect((await condition("idle-0", "Ready"))?.status).toBe("True");
      expect((await condition("idle-8", "Ready"))?.reason).toBe("AccessDenied");
      expect((await condition("idle-9", "Ready"))?.reason).toBe("SecretNotFound");
      expect(deps.archives.list().filter(({ metadata }) => metadata.name.startsWith("idle-"))).toHaveLength(20);

      writes = [];
      for (let round = 0; round < 50; round++)
        await everyOne((name) => reconcile({ namespace, name }, signal(), logger));
      expect(writes).toEqual([]);
    },
  );
});
