// An API server that asks our webhooks, and what a test does there: make, change and remove objects, and hear why not.
import { writeFile } from "node:fs/promises";
import type { KubeClient } from "#kube/client.ts";
import type { KubeObject } from "#kube/object.ts";
import { refusalOf, resources, type Kind } from "../admission/outcome.ts";
import { startAdmission, type AdmissionUnderTest } from "./admission-server.ts";
import { type ApiServer, startApiServer, waitUntil } from "./api-server.ts";
import { adminClient, namespaces, signal } from "./kube-widget.ts";

export interface Thing extends KubeObject {
  readonly spec?: unknown;
  readonly status?: unknown;
}

export const thing = (name: string, spec: unknown, namespace = "default", metadata: object = {}): Thing => ({
  metadata: { name, namespace, ...metadata },
  ...(spec !== undefined && { spec }),
});

export const clusterTo = (parameters: Readonly<Record<string, string>>, more: object = {}) => ({
  instances: 1,
  storage: { size: "1Gi" },
  plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters }],
  ...more,
});

/** The refusal's text, or undefined. */
type Refusal = Promise<string | undefined>;

export interface AdmissionSession {
  readonly api: ApiServer;
  readonly client: KubeClient;
  readonly admission: AdmissionUnderTest;
  readonly create: (kind: Kind, object: Thing) => Refusal;
  /** A merge into the stored object. */
  readonly change: (kind: Kind, name: string, patch: object, namespace?: string) => Refusal;
  readonly remove: (kind: Kind, name: string, namespace?: string) => Refusal;
  readonly untilKnown: (name: string, namespace?: string) => Promise<void>;
  /** Of a Cluster, as CloudNativePG would write it. */
  readonly setStatus: (name: string, status: object) => Promise<void>;
  readonly newNamespace: (name: string, labels?: Readonly<Record<string, string>>) => Promise<void>;
  stop(): Promise<void>;
}

/** Returns when the API server asks. */
export async function startAdmissionSession(): Promise<AdmissionSession> {
  const api = await startApiServer();
  const client = await adminClient(api);
  await writeFile(`${api.accountFolder}/kubeconfig`, api.kubeconfig("admin"));
  const admission = await startAdmission(client);
  const { stores, stanzas, clusters } = admission.caches;
  const create = (kind: Kind, object: Thing): Refusal => refusalOf(client, resources[kind], object);
  const refusal = (done: Promise<unknown>): Refusal =>
    done.then(
      () => undefined,
      (error: Error) => error.message,
    );
  // The API server takes up a changed configuration, and our caches what was stored, a moment later.
  await waitUntil("the API server asks us", async () => {
    const said = await create("ObjectStore", thing("probe", { configuration: { destinationPath: "x" } }));
    return /admission webhook/.test(said ?? "");
  });
  return {
    api,
    client,
    admission,
    create,
    change: (kind, name, patch, namespace = "default") =>
      refusal(client.patch(resources[kind], { namespace, name }, patch, { type: "merge", signal: signal() })),
    remove: (kind, name, namespace = "default") =>
      refusal(client.delete(resources[kind], { namespace, name }, { signal: signal() })),
    untilKnown: (name, namespace = "default") =>
      waitUntil(`${name} is in the cache`, () =>
        [stores, stanzas, clusters].some((cache) => cache.get({ namespace, name }) !== undefined),
      ),
    setStatus: async (name, status) => {
      const object: Thing = { metadata: { name, namespace: "default" }, status };
      const options = { fieldManager: "test", subresource: "status", signal: signal() } as const;
      const { metadata } = await client.apply<Thing>(resources.Cluster, object, options);
      await waitUntil("the status is in the cache", () => {
        const known = clusters.get({ namespace: "default", name });
        return known?.metadata.resourceVersion === metadata.resourceVersion;
      });
    },
    newNamespace: async (name, labels = {}) => {
      await client.create(namespaces, { metadata: { name, labels } }, { signal: signal() });
    },
    stop: async () => {
      await admission.stop();
      client.close();
      await api.stop();
    },
  };
}
