import { describe, expect, it } from "vitest";
import { aborted } from "#std/abort.ts";
import type { KubeObject, Resource } from "./object.ts";
import { createRestClient } from "./rest-client.ts";
import type { Transport, TransportRequest } from "./transport.ts";

const pods: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
const key = { namespace: "a", name: "b" };
const { signal } = new AbortController();

interface Reply {
  readonly status?: number;
  readonly body: string;
  /** After the body nothing more comes, not even the end. */
  readonly hangs?: boolean;
}

/** A server that gives these answers in turn: for what a real one does not do on demand. */
function scripted(...replies: readonly Reply[]) {
  const requests: TransportRequest[] = [];
  const transport: Transport = {
    async send(request) {
      const reply = replies[requests.push(request) - 1]!;
      async function* body() {
        yield Buffer.from(reply.body);
        if (!reply.hangs) return;
        await aborted(request.signal);
        throw new Error("connection broke");
      }
      return { status: reply.status ?? 200, body: body() };
    },
    close: () => undefined,
  };
  return { client: createRestClient(transport, { deadlineMs: 50, responseBytesMax: 10_000 }), requests };
}

const status = (code: number, reason: string, details?: object) =>
  JSON.stringify({ kind: "Status", code, reason, message: "the server's words", details });
const page = (names: readonly string[], next?: string) =>
  JSON.stringify({
    metadata: { resourceVersion: "7", ...(next && { continue: next }) },
    items: names.map((name) => ({ metadata: { name } })),
  });
const event = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;

async function collect(events: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const one of events) all.push(one);
  return all;
}

describe("errors", () => {
  it.each([
    [400, "BadRequest", "Invalid"],
    [401, "Unauthorized", "Unauthorized"],
    [403, "Forbidden", "Forbidden"],
    [404, "NotFound", "NotFound"],
    [409, "AlreadyExists", "AlreadyExists"],
    [409, "Conflict", "Conflict"],
    [410, "Gone", "Expired"],
    [422, "Invalid", "Invalid"],
    [429, "TooManyRequests", "Throttled"],
    [500, "InternalError", "Unavailable"],
    [504, "Timeout", "Unavailable"],
  ])("of status %i, reason %s are of kind %s and carry the server's message", async (code, reason, kind) => {
    const { client } = scripted({ status: code, body: status(code, reason) });
    const message = "get pods a/b: the server's words";
    await expect(client.get(pods, key, { signal })).rejects.toMatchObject({ name: "KubeError", kind, message });
  });

  it("tell an absent object from an absent resource type", async () => {
    const absent = scripted({ status: 404, body: status(404, "NotFound", { name: "b" }) });
    expect(await absent.client.get(pods, key, { signal })).toBeUndefined();
    for (const body of ["404 page not found\n", status(404, "NotFound", {}), status(404, "NotFound", { name: "a" })]) {
      const { client } = scripted({ status: 404, body });
      await expect(client.get(pods, key, { signal })).rejects.toMatchObject({ kind: "NotFound" });
    }
  });

  it.each([
    ["text where JSON was expected", { body: "<html>" }, "not a JSON object"],
    ["a broken gateway", { status: 502, body: "<html>" }, "http status 502"],
    ["an answer without bound", { body: "x".repeat(10_001) }, "longer than 10000 bytes"],
    ["an answer without end", { body: "{", hangs: true }, "not done within 50 ms"],
  ])("of %s are of kind Unavailable", async (_, reply, message) => {
    const { client } = scripted(reply);
    await expect(client.list(pods, { signal })).rejects.toMatchObject({
      kind: "Unavailable",
      message: expect.stringContaining(message),
    });
  });

  it("never hide the caller's own abort", async () => {
    const stop = new AbortController();
    const { client } = scripted({ body: "{", hangs: true });
    const call = client.list(pods, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
  });
});

describe("a list", () => {
  it("follows the pages", async () => {
    const { client, requests } = scripted({ body: page(["a"], "token") }, { body: page(["b"]) });
    const list = await client.list(pods, { labelSelector: "x=y", signal });
    expect(list.items.map(({ metadata }) => metadata.name)).toEqual(["a", "b"]);
    expect(requests.map(({ path }) => path)).toEqual([
      "/api/v1/pods?labelSelector=x%3Dy&limit=500",
      "/api/v1/pods?labelSelector=x%3Dy&limit=500&continue=token",
    ]);
  });

  it("begins anew in one page when the snapshot behind its pages has gone", async () => {
    const gone = { status: 410, body: status(410, "Expired") };
    const { client, requests } = scripted({ body: page(["a"], "t") }, gone, { body: page(["a", "b"]) });
    expect((await client.list(pods, { signal })).items).toHaveLength(2);
    expect(requests.at(-1)?.path).toBe("/api/v1/pods");
  });

  it("without a resourceVersion is no list to watch from", async () => {
    const { client } = scripted({ body: "{}" });
    await expect(client.list(pods, { signal })).rejects.toThrow("no resourceVersion");
  });
});

describe("a watch", () => {
  const pod = (name: string): KubeObject => ({ metadata: { name, resourceVersion: "8" } });
  const watch = (...lines: readonly string[]) => {
    const { client } = scripted({ body: lines.join("") });
    return collect(client.watch(pods, { resourceVersion: "7", signal }));
  };

  it("passes events and bookmarks on and skips what it does not know", async () => {
    expect(await watch(event("ADDED", pod("a")), event("SURPRISE", pod("b")), event("BOOKMARK", pod("")))).toEqual([
      { type: "ADDED", object: pod("a") },
      { type: "BOOKMARK", resourceVersion: "8" },
    ]);
  });

  it.each([
    [410, "Expired"],
    [500, "Unavailable"],
    [403, "Forbidden"],
  ])("ends with the error that an event carries: %i", async (code, kind) => {
    const error = { kind: "Status", code, reason: "X", message: "too old" };
    await expect(watch(event("ADDED", pod("a")), event("ERROR", error))).rejects.toMatchObject({
      kind,
      message: "watch pods: too old",
    });
  });

  it("is expired when the server refuses to begin it", async () => {
    const { client } = scripted({ status: 410, body: status(410, "Expired") });
    const watching = collect(client.watch(pods, { resourceVersion: "1", signal }));
    await expect(watching).rejects.toMatchObject({ kind: "Expired" });
  });

  it.each(['{"type":"ADD', "not json\n"])("that breaks off or talks nonsense is Unavailable: %s", async (text) => {
    await expect(watch(text)).rejects.toMatchObject({ kind: "Unavailable" });
  });

  it("stays open without words for longer than a call may take", async () => {
    const stop = new AbortController();
    const { client } = scripted({ body: event("ADDED", pod("a")), hangs: true });
    const seen: unknown[] = [];
    setTimeout(() => stop.abort(new Error("enough")), 150);
    await expect(
      (async () => {
        for await (const one of client.watch(pods, { resourceVersion: "7", signal: stop.signal })) seen.push(one);
      })(),
    ).rejects.toThrow("enough");
    expect(seen).toHaveLength(1);
  });
});
