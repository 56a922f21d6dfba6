// Informer, controller and status writer against a real API server.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "#observe/logger.ts";
import type { KubeClient } from "#kube/client.ts";
import { setConditions } from "#kube/conditions.ts";
import { ownKey, runController, sourceOf } from "#kube/controller.ts";
import { createInformer, type Informer, type InformerOptions } from "#kube/informer.ts";
import type { Condition } from "#kube/object.ts";
import { createReconcile } from "#kube/reconciler.ts";
import { createStatusWriter } from "#kube/status-writer.ts";
import { type ApiServer, startApiServer, waitUntil } from "./api-server.ts";
import { openLine, type Line } from "./kube-line.ts";
import {
  adminClient,
  type ConfigMap,
  configMap,
  configMaps,
  defineWidget,
  signal,
  type Widget,
  widgets,
} from "./kube-widget.ts";

const logger = createLogger("error");
let server: ApiServer;
let line: Line;
let client: KubeClient & { close(): void };
/** Of another process, whose line to the server can be cut. */
let remote: KubeClient & { close(): void };
beforeAll(async () => {
  server = await startApiServer();
  line = await openLine(server.port);
  client = await adminClient(server);
  remote = await adminClient(server, line.port);
  await defineWidget(client);
});
afterAll(async () => {
  client?.close();
  remote?.close();
  await line?.close();
  await server?.stop();
});

const inDefault = (name: string) => ({ namespace: "default", name });

/** Runs `body` with a signal that ends what runs in the background, and waits until it has ended. */
async function whileRunning(
  start: (signal: AbortSignal) => readonly Promise<unknown>[],
  body: () => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const running = start(stop.signal);
  try {
    await body();
  } finally {
    stop.abort();
    await Promise.all(running);
  }
}

describe("an informer", () => {
  const watching = (set: string, options: Partial<InformerOptions<ConfigMap>> = {}) => {
    const informer: Informer<ConfigMap> = createInformer<ConfigMap>({
      client: remote,
      resource: configMaps,
      logger,
      namespace: "default",
      labelSelector: `set=${set}`,
      backoff: { firstMs: 50, maxMs: 200 },
      ...options,
    });
    const changes: string[] = [];
    informer.subscribe(({ type, object }) => changes.push(`${type} ${object.metadata.name} ${object.data?.["v"]}`));
    const put = (name: string, v: string) =>
      client.apply<ConfigMap>(configMaps, configMap(`${set}-${name}`, { v }, { set }), {
        fieldManager: "test",
        signal: signal(),
      });
    const drop = (name: string) => client.delete(configMaps, inDefault(`${set}-${name}`), { signal: signal() });
    return { informer, changes, put, drop };
  };

  it("lists, then follows every change", async () => {
    const { informer, changes, put, drop } = watching("follow", { indexes: { v: ({ data }) => [data?.["v"] ?? ""] } });
    await put("a", "1");
    expect(informer.hasSynced()).toBe(false);
    await whileRunning(
      (stop) => [informer.run(stop)],
      async () => {
        await informer.synced(signal());
        expect(changes).toEqual(["added follow-a 1"]);
        await put("a", "2");
        await put("b", "2");
        await waitUntil("both are seen", () => informer.byIndex("v", "2").length === 2);
        expect(informer.byIndex("v", "1")).toEqual([]);
        await drop("b");
        await waitUntil("the deletion is seen", () => informer.list().length === 1);
      },
    );
    expect(changes).toEqual(["added follow-a 1", "updated follow-a 2", "added follow-b 2", "deleted follow-b 2"]);
  });

  it("misses nothing while the line is cut, the history forgotten and the server restarted", async () => {
    const { informer, changes, put, drop } = watching("cut");
    for (const name of ["changed", "gone", "remade", "same"]) await put(name, "1");
    await whileRunning(
      (stop) => [informer.run(stop)],
      async () => {
        await informer.synced(signal());
        changes.length = 0;
        line.cut();
        await put("changed", "2");
        await drop("gone");
        await drop("remade");
        await put("remade", "1");
        await put("new", "1");
        await server.compact();
        await server.restart();
        line.mend();
        await waitUntil("all is seen", () => changes.length >= 5);
      },
    );
    expect(changes.toSorted()).toEqual([
      "added cut-new 1",
      "added cut-remade 1",
      "deleted cut-gone 1",
      "deleted cut-remade 1",
      "updated cut-changed 2",
    ]);
  });

  it("leaves a connection that has gone silent", async () => {
    const { informer, put } = watching("silent", { silenceMaxMs: 500 });
    await whileRunning(
      (stop) => [informer.run(stop)],
      async () => {
        await informer.synced(signal());
        line.mute();
        await put("a", "1");
        await waitUntil("the object is seen over a new connection", () => informer.list().length === 1);
        expect(informer.silentForMs()).toBeLessThan(5000);
      },
    );
  });
});

describe("a controller", () => {
  interface Status {
    readonly observedGeneration: number;
    readonly sum: number;
    readonly conditions: readonly Condition[];
  }

  it("brings each object's status to what its spec says, and then writes nothing more", async () => {
    const informer = createInformer<Widget>({ client, resource: widgets, logger });
    let writes = 0;
    const counting: KubeClient = {
      ...client,
      async apply(...call) {
        const left = await client.apply(...call);
        writes++;
        return left;
      },
    };
    const writer = createStatusWriter(counting, widgets, "holdfast-test");
    let clockReads = 0;
    const reconcile = createReconcile({
      observe: async (key) => informer.get(key),
      plan: (widget: Widget) => {
        const spec = widget.spec as { a: number; b: number };
        const generation = widget.metadata.generation!;
        const previous = (widget.status?.["conditions"] ?? []) as Condition[];
        const ready = {
          type: "Ready",
          status: "True",
          reason: "Succeeded",
          message: "",
          observedGeneration: generation,
        } as const;
        const conditions = setConditions(
          previous,
          [ready],
          new Date(1_800_000_000_000 + clockReads++ * 1000).toISOString(),
        );
        return { actions: [], status: { observedGeneration: generation, sum: spec.a + spec.b, conditions } };
      },
      writeStatus: (widget, status: Status, stop) => writer.write(widget, status, stop),
      apply: async () => undefined,
      withFailure: (status) => status,
    });
    const names = ["w1", "w2", "w3"];
    const put = (name: string, spec: object) =>
      client.apply<Widget>(
        widgets,
        { metadata: inDefault(name), spec: { ...spec } },
        { fieldManager: "t", signal: signal() },
      );
    const sumOf = (name: string) => informer.get(inDefault(name))?.status?.["sum"];
    for (const name of names) await put(name, { a: 1, b: 2 });

    const results: string[] = [];
    const observer = { reconciled: (_: string, result: string) => results.push(result), queueLength: () => undefined };
    const options = { name: "widget", sources: [sourceOf(informer, ownKey)], reconcile, logger, observer };
    await whileRunning(
      (stop) => [informer.run(stop), runController(options, stop)],
      async () => {
        await waitUntil("all have a status", () => names.every((name) => sumOf(name) === 3));
        await put("w1", { a: 5, b: 5 });
        await waitUntil("the new sum is shown", () => sumOf("w1") === 10);
        // The cache may show a change before the answer to its write is here.
        await waitUntil("the last change was reconciled", () => results.length >= 8 && writes >= 4);
      },
    );
    expect(writes).toBe(4);

    const before = informer.list().map(({ metadata }) => metadata.resourceVersion);
    const again = createInformer<Widget>({ client, resource: widgets, logger });
    results.length = 0;
    const second = { ...options, sources: [sourceOf(again, ownKey)] };
    await whileRunning(
      (stop) => [again.run(stop), runController(second, stop)],
      () => waitUntil("all were reconciled", () => results.length === 3),
    );
    expect(writes).toBe(4);
    expect(again.list().map(({ metadata }) => metadata.resourceVersion)).toEqual(before);
  });

  it("does not give an object the status of its predecessor", async () => {
    const writer = createStatusWriter(client, widgets, "holdfast-test");
    const object: Widget = { metadata: inDefault("twice"), spec: {} };
    const first = await client.create<Widget>(widgets, object, { signal: signal() });
    await client.delete(widgets, inDefault("twice"), { signal: signal() });
    await client.create<Widget>(widgets, object, { signal: signal() });
    await expect(writer.write(first, { phase: "Completed" }, signal())).rejects.toMatchObject({ kind: "Conflict" });
  });

  it("writes a second status on the observation of the first", async () => {
    const writer = createStatusWriter(client, widgets, "holdfast-test");
    const seen = await client.create<Widget>(widgets, { metadata: inDefault("steps"), spec: {} }, { signal: signal() });
    expect(await writer.write(seen, { phase: "Running", absent: undefined }, signal())).toBe(true);
    expect(await writer.write(seen, { phase: "Running" }, signal())).toBe(false);
    expect(await writer.write(seen, { phase: "Failed" }, signal())).toBe(true);
    const shown = await client.get<Widget>(widgets, inDefault("steps"), { signal: signal() });
    expect(shown?.status).toEqual({ phase: "Failed" });
    expect(await writer.write(shown!, { phase: "Failed" }, signal())).toBe(false);
  });
});
