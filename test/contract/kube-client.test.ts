// The Kubernetes client against a real API server, over both transports.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeClient, WatchEvent } from "#kube/client.ts";
import type { KubeErrorKind } from "#kube/errors.ts";
import type { KubeObject } from "#kube/object.ts";
import { createRestClient } from "#kube/rest-client.ts";
import { loadClientNodeTransport } from "#kube/transport-client-node.ts";
import { createInClusterTransport } from "#kube/transport-in-cluster.ts";
import type { Transport } from "#kube/transport.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import { openLine } from "./kube-line.ts";
import {
  adminClient,
  type ConfigMap,
  configMap,
  configMaps,
  defineWidget,
  namespaces,
  signal,
  type Widget,
  widgets,
} from "./kube-widget.ts";

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer();
  const client = await adminClient(server);
  await defineWidget(client);
  client.close();
});
afterAll(() => server?.stop());

const refusal = (kind: KubeErrorKind) => expect.objectContaining({ name: "KubeError", kind });
const inDefault = (name: string) => ({ namespace: "default", name });

const transports: Record<string, () => Promise<Transport>> = {
  "client-node": () => loadClientNodeTransport(server.kubeconfig("admin")),
  "in-cluster": async () =>
    createInClusterTransport({ host: server.host, port: server.port, accountFolder: server.accountFolder }),
};

describe.each(Object.keys(transports))("a client over %s", (name) => {
  let transport: Transport;
  let client: KubeClient;
  const own = (suffix: string): string => `${name}-${suffix}`;
  beforeAll(async () => {
    transport = await transports[name]!();
    client = createRestClient(transport);
  });
  afterAll(() => transport.close());

  it("creates, reads and deletes", async () => {
    const object = configMap(own("life"), { a: "ü" });
    const made = await client.create(configMaps, object, { signal: signal() });
    await expect(client.create(configMaps, object, { signal: signal() })).rejects.toEqual(refusal("AlreadyExists"));
    const read = await client.get<ConfigMap>(configMaps, inDefault(own("life")), { signal: signal() });
    expect(read).toMatchObject({ kind: "ConfigMap", data: { a: "ü" }, metadata: { uid: made.metadata.uid } });
    const key = inDefault(own("life"));
    await expect(client.delete(configMaps, key, { uid: "another", signal: signal() })).rejects.toEqual(
      refusal("Conflict"),
    );
    await expect(client.delete(configMaps, key, { resourceVersion: "1", signal: signal() })).rejects.toEqual(
      refusal("Conflict"),
    );
    expect(await client.delete(configMaps, key, { uid: made.metadata.uid!, signal: signal() })).toBe(true);
    expect(await client.delete(configMaps, key, { signal: signal() })).toBe(false);
    expect(await client.get(configMaps, key, { signal: signal() })).toBeUndefined();
  });

  it("never reads a missing resource type as a missing object", async () => {
    const unknown = { ...widgets, plural: "gadgets" };
    await expect(client.get(unknown, inDefault("x"), { signal: signal() })).rejects.toEqual(refusal("NotFound"));
    await expect(client.delete(unknown, inDefault("x"), { signal: signal() })).rejects.toEqual(refusal("NotFound"));
    const later = { ...configMaps, version: "v9" };
    await expect(client.get(later, inDefault("x"), { signal: signal() })).rejects.toEqual(refusal("NotFound"));
  });

  it("refuses to guess a namespace", async () => {
    await expect(client.get(configMaps, { name: "x" }, { signal: signal() })).rejects.toThrow("needs a namespace");
    await expect(client.get(namespaces, inDefault("x"), { signal: signal() })).rejects.toThrow("has no namespace");
  });

  it("applies: makes, changes, removes what is no longer said, and takes fields over", async () => {
    const apply = (data: Record<string, string>, fieldManager = "us") =>
      client.apply<ConfigMap>(configMaps, configMap(own("apply"), data), { fieldManager, signal: signal() });
    expect((await apply({ a: "1", b: "1" })).data).toEqual({ a: "1", b: "1" });
    const changed = await apply({ a: "2" });
    expect(changed.data).toEqual({ a: "2" });
    expect((await apply({ a: "2" })).metadata.resourceVersion).toBe(changed.metadata.resourceVersion);
    expect((await apply({ a: "3" }, "another")).data).toEqual({ a: "3" });
  });

  it("keeps fields that no type of ours knows", async () => {
    const spec = { later: { deep: [{ x: 1 }] }, big: 9_007_199_254_740_991 };
    const widget: Widget = { metadata: { name: own("open"), namespace: "default" }, spec };
    await client.create(widgets, widget, { signal: signal() });
    const read = await client.get<Widget>(widgets, inDefault(own("open")), { signal: signal() });
    expect((await client.replace(widgets, read!, { signal: signal() })).spec).toEqual(spec);
  });

  it("applies a status without touching the spec, and only to the version that was meant", async () => {
    const metadata = { name: own("status"), namespace: "default" };
    const options = { fieldManager: "us", subresource: "status", signal: signal() } as const;
    const made = await client.create<Widget>(widgets, { metadata, spec: { a: 1 } }, { signal: signal() });
    const shown = await client.apply<Widget>(widgets, { metadata, spec: { a: 2 }, status: { ok: true } }, options);
    expect(shown).toMatchObject({ spec: { a: 1 }, status: { ok: true } });
    expect(shown.metadata.generation).toBe(made.metadata.generation);
    const stale = { metadata: { ...metadata, resourceVersion: made.metadata.resourceVersion! }, status: { ok: false } };
    await expect(client.apply<Widget>(widgets, stale, options)).rejects.toEqual(refusal("Conflict"));
    const gone = { metadata: { ...metadata, name: own("gone") }, status: { ok: true } };
    await expect(client.apply<Widget>(widgets, gone, options)).rejects.toEqual(refusal("NotFound"));
  });

  it("patches by merge and by JSON patch", async () => {
    await client.create(configMaps, configMap(own("patch"), { a: "1", b: "1" }), { signal: signal() });
    const key = inDefault(own("patch"));
    const merge = { data: { a: null, c: "1" } };
    const merged = await client.patch<ConfigMap>(configMaps, key, merge, { type: "merge", signal: signal() });
    expect(merged.data).toEqual({ b: "1", c: "1" });
    const json = [{ op: "replace", path: "/data/b", value: "2" }];
    const patched = await client.patch<ConfigMap>(configMaps, key, json, { type: "json", signal: signal() });
    expect(patched.data).toEqual({ b: "2", c: "1" });
    await expect(
      client.patch(configMaps, key, [{ op: "test", path: "/data/b", value: "9" }], { type: "json", signal: signal() }),
    ).rejects.toEqual(refusal("Invalid"));
  });

  it("replaces only what it has read", async () => {
    const first = await client.create<ConfigMap>(configMaps, configMap(own("lock")), { signal: signal() });
    await client.replace(configMaps, { ...first, data: { a: "1" } }, { signal: signal() });
    await expect(client.replace(configMaps, { ...first, data: { a: "2" } }, { signal: signal() })).rejects.toEqual(
      refusal("Conflict"),
    );
  });

  it("watches from where a list ended and resumes without a gap", async () => {
    const labels = { of: own("watch") };
    const scope = { namespace: "default", labelSelector: `of=${own("watch")}` };
    const start = await client.list<ConfigMap>(configMaps, { ...scope, signal: signal() });
    const write = (data: Record<string, string>) =>
      client.apply(configMaps, configMap(own("watch"), data, labels), { fieldManager: "us", signal: signal() });
    await write({ a: "1" });
    const first = await take(client, { ...scope, resourceVersion: start.resourceVersion }, 1);
    await write({ a: "2" });
    await client.delete(configMaps, inDefault(own("watch")), { signal: signal() });
    const seen = first[0]!;
    const resourceVersion = seen.type === "BOOKMARK" ? "" : seen.object.metadata.resourceVersion!;
    const rest = await take(client, { ...scope, resourceVersion }, 2);
    expect([...first, ...rest].map(({ type }) => type)).toEqual(["ADDED", "MODIFIED", "DELETED"]);
  });

  it("ends a watch and a call with the reason of the abort", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const watching = drain(client.watch(configMaps, { resourceVersion: await latest(client), signal: stop.signal }));
    stop.abort(reason);
    await expect(watching).rejects.toBe(reason);
    await expect(client.list(configMaps, { signal: stop.signal })).rejects.toBe(reason);
  });
});

describe("a client", () => {
  it("lists more objects than one page holds", async () => {
    const client = await adminClient(server);
    const names = Array.from({ length: 620 }, (_, index) => `page-${index}`);
    for (let at = 0; at < names.length; at += 20) {
      const some = names.slice(at, at + 20);
      const create = (name: string) =>
        client.create(configMaps, configMap(name, {}, { of: "page" }), { signal: signal() });
      await Promise.all(some.map(create));
    }
    const list = await client.list<ConfigMap>(configMaps, { labelSelector: "of=page", signal: signal() });
    expect(new Set(list.items.map(({ metadata }) => metadata.name))).toEqual(new Set(names));
    expect(list.items[0]).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
    client.close();
  });

  it("tells a forbidden call from an unknown caller", async () => {
    for (const [user, kind] of [
      ["nobody", "Forbidden"],
      ["stranger", "Unauthorized"],
    ] as const) {
      const transport = await loadClientNodeTransport(server.kubeconfig(user));
      const call = createRestClient(transport).get(configMaps, inDefault("x"), { signal: signal() });
      await expect(call).rejects.toEqual(refusal(kind));
      transport.close();
    }
  });

  it("uses a new token after the old one was refused", async () => {
    const token = join(server.accountFolder, "token");
    await writeFile(token, "not yet");
    const transport = createInClusterTransport({
      host: server.host,
      port: server.port,
      accountFolder: server.accountFolder,
    });
    const client = createRestClient(transport);
    await expect(client.list(namespaces, { signal: signal() })).rejects.toEqual(refusal("Unauthorized"));
    await writeFile(token, "test-admin\n");
    expect((await client.list(namespaces, { signal: signal() })).items.length).toBeGreaterThan(0);
    transport.close();
  });

  it("gives up a call that is not answered, and works again when the line does", async () => {
    const line = await openLine(server.port);
    const transport = await loadClientNodeTransport(server.kubeconfig("admin", line.port));
    const client = createRestClient(transport, { deadlineMs: 1000 });
    await client.list(namespaces, { signal: signal() });
    line.mute();
    await expect(client.list(namespaces, { signal: signal() })).rejects.toThrow(
      "list namespaces: not done within 1000 ms",
    );
    line.cut();
    await expect(client.list(namespaces, { signal: signal() })).rejects.toEqual(refusal("Unavailable"));
    line.mend();
    expect((await client.list(namespaces, { signal: signal() })).items.length).toBeGreaterThan(0);
    transport.close();
    await line.close();
  });

  it("survives a restart of the server that closed its kept connections", async () => {
    const client = await adminClient(server);
    await client.list(namespaces, { signal: signal() });
    await server.restart();
    expect((await client.list(namespaces, { signal: signal() })).items.length).toBeGreaterThan(0);
    client.close();
  });

  it("calls a watch expired when the server was restarted and its history compacted", async () => {
    const client = await adminClient(server);
    const resourceVersion = await latest(client);
    for (const step of ["1", "2"])
      await client.apply(configMaps, configMap("later", { step }), { fieldManager: "us", signal: signal() });
    await server.compact();
    await server.restart();
    const watching = drain(client.watch(configMaps, { resourceVersion, signal: signal() }));
    await expect(watching).rejects.toEqual(refusal("Expired"));
    client.close();
  });
});

const latest = async (client: KubeClient): Promise<string> =>
  (await client.list(configMaps, { signal: signal() })).resourceVersion;

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

/** The first `count` events that are no bookmarks. */
async function take(
  client: KubeClient,
  from: { namespace: string; labelSelector: string; resourceVersion: string },
  count: number,
): Promise<WatchEvent<KubeObject>[]> {
  const events: WatchEvent<KubeObject>[] = [];
  for await (const event of client.watch<KubeObject>(configMaps, { ...from, signal: signal() })) {
    if (event.type !== "BOOKMARK") events.push(event);
    if (events.length === count) break;
  }
  return events;
}
