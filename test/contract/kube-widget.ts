// What the contract tests of src/kube store in an API server: config maps, and a custom resource with a status.
import { createRestClient } from "#kube/rest-client.ts";
import type { KubeClient } from "#kube/client.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { loadClientNodeTransport } from "#kube/transport-client-node.ts";
import type { Transport } from "#kube/transport.ts";
import { type ApiServer, waitUntil } from "./api-server.ts";

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}
export interface Widget extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

const core = { group: "", version: "v1" };
export const configMaps: Resource = { ...core, kind: "ConfigMap", plural: "configmaps", namespaced: true };
export const namespaces: Resource = { ...core, kind: "Namespace", plural: "namespaces", namespaced: false };
export const widgets: Resource = {
  group: "test.holdfast.dev",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};
export const definitions: Resource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};

export const signal = (): AbortSignal => AbortSignal.timeout(60_000);

export const configMap = (name: string, data: Record<string, string> = {}, labels = {}): ConfigMap => ({
  metadata: { name, namespace: "default", labels },
  data,
});

export const adminClient = async (
  server: ApiServer,
  port = server.port,
): Promise<KubeClient & Pick<Transport, "close">> => {
  const transport = await loadClientNodeTransport(server.kubeconfig("admin", port));
  return { ...createRestClient(transport), close: () => transport.close() };
};

/** Defines the Widget and waits until widgets are served. */
export async function defineWidget(client: KubeClient): Promise<void> {
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const schema = { openAPIV3Schema: { type: "object", properties: { spec: open, status: open } } };
  const definition = {
    metadata: { name: "widgets.test.holdfast.dev" },
    spec: {
      group: widgets.group,
      scope: "Namespaced",
      names: { plural: widgets.plural, kind: widgets.kind, singular: "widget", listKind: "WidgetList" },
      versions: [{ name: "v1", served: true, storage: true, schema, subresources: { status: {} } }],
    },
  };
  await client.apply<KubeObject>(definitions, definition, { fieldManager: "test", signal: signal() });
  await waitUntil("widgets are served", () =>
    client.list(widgets, { signal: signal() }).then(
      () => true,
      () => false,
    ),
  );
}
