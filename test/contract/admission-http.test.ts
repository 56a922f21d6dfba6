// The webhooks' port as anybody in the cluster may use it: whatever is sent, it answers or hangs up, and goes on answering.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request, type RequestOptions } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "#observe/logger.ts";
import type { KeyPair } from "#kube/pki/secret-shape.ts";
import {
  bodyBytesMax,
  livePath,
  pendingBytesMax,
  readyPath,
  reviewPath,
  serveWebhooks,
  type WebhookServer,
} from "#webhooks/server.ts";
import { issueServing, makeAuthority } from "./admission-server.ts";

const logger = createLogger("error");
let authority: KeyPair;
let server: WebhookServer;
let ready = true;
beforeAll(async () => {
  authority = await makeAuthority();
  server = await start();
});
afterAll(() => server.close(500));

const start = async (): Promise<WebhookServer> =>
  serveWebhooks(
    {
      host: "127.0.0.1",
      port: 0,
      judge: ({ name }) => {
        if (name === "broken") throw new Error("a mistake of ours");
        return name === "bad"
          ? { problems: [{ field: "spec.x", message: "wrong", hint: "right" }], warnings: [] }
          : { problems: [], warnings: ["take care", "take care"] };
      },
      mutate: () => ({ patch: [], warnings: [] }),
      isReady: () => ready,
      logger,
    },
    await issueServing(authority),
  );

const review = (name: string, more: object = {}) => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "7f3c",
    operation: "CREATE",
    kind: { group: "holdfast.dev", version: "v1alpha1", kind: "ObjectStore" },
    resource: { group: "holdfast.dev", version: "v1alpha1", resource: "objectstores" },
    namespace: "default",
    name,
    object: { metadata: { name }, spec: {} },
    ...more,
  },
});

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly connection: string | undefined;
}

/** Undefined when the connection was closed without an answer. */
function send(options: RequestOptions, body?: string | Uint8Array, to = server): Promise<Reply | undefined> {
  const { promise, resolve } = Promise.withResolvers<Reply | undefined>();
  const all = { host: "localhost", port: to.port, ca: authority.certificate, agent: false as const, ...options };
  const sent = request(all, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    response.on("end", () =>
      resolve({ status: response.statusCode ?? 0, body: text, connection: response.headers.connection }),
    );
    response.on("error", () => resolve(undefined));
  });
  sent.on("error", () => resolve(undefined));
  sent.end(body);
  return promise;
}

const post = (body: string | Uint8Array, headers: Record<string, string> = {}, to = server) =>
  send(
    { method: "POST", path: `${reviewPath}?timeout=5s`, headers: { "content-type": "application/json", ...headers } },
    body,
    to,
  );

describe("an AdmissionReview", () => {
  it("is answered with its uid, allowed, and each warning once", async () => {
    const { status = 0, body = "" } = (await post(JSON.stringify(review("good")))) ?? {};
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      response: { uid: "7f3c", allowed: true, warnings: ["take care"] },
    });
  });

  it("is answered with a status that kubectl shows field by field when it is refused", async () => {
    const { body = "" } = (await post(JSON.stringify(review("bad")))) ?? {};
    expect(JSON.parse(body).response).toEqual({
      uid: "7f3c",
      allowed: false,
      status: {
        status: "Failure",
        reason: "Invalid",
        code: 422,
        message: "spec.x: wrong (right)",
        details: {
          group: "holdfast.dev",
          kind: "ObjectStore",
          name: "bad",
          causes: [{ reason: "FieldValueInvalid", field: "spec.x", message: "wrong (right)" }],
        },
      },
    });
  });

  it("that a rule of ours cannot bear is an error, which the failure policy decides", async () => {
    expect(await post(JSON.stringify(review("broken")))).toMatchObject({ status: 500 });
  });
});

describe("what is no AdmissionReview", () => {
  it.each<[string, string | Uint8Array]>([
    ["nothing", ""],
    ["no JSON", "{"],
    ["a number", "7"],
    ["null", "null"],
    ["a list", "[]"],
    ["an empty object", "{}"],
    ["bytes that are no UTF-8", new Uint8Array([0x22, 0xff, 0xfe, 0x22])],
    ["another kind", JSON.stringify({ ...review("x"), kind: "Pod" })],
    ["another version", JSON.stringify({ ...review("x"), apiVersion: "admission.k8s.io/v1beta1" })],
    ["a review without a request", JSON.stringify({ ...review("x"), request: undefined })],
    ["a request that is a list", JSON.stringify({ ...review("x"), request: [] })],
    ["no uid", JSON.stringify(review("x", { uid: undefined }))],
    ["a uid that is a number", JSON.stringify(review("x", { uid: 1 }))],
    ["a uid of a megabyte", JSON.stringify(review("x", { uid: "u".repeat(1_000_000) }))],
    ["an unknown operation", JSON.stringify(review("x", { operation: "CONNECT" }))],
    ["no resource", JSON.stringify(review("x", { resource: null }))],
    ["no namespace", JSON.stringify(review("x", { namespace: "" }))],
    ["a creation of nothing", JSON.stringify(review("x", { object: null }))],
    ["a change of nothing", JSON.stringify(review("x", { operation: "UPDATE", oldObject: null }))],
    ["a deletion of nothing", JSON.stringify(review("x", { operation: "DELETE" }))],
    ["a hundred thousand brackets", "[".repeat(100_000)],
    ["the same, closed", "[".repeat(100_000) + "]".repeat(100_000)],
  ])("%s is answered with 400", async (_, body) => {
    expect(await post(body)).toMatchObject({ status: 400 });
    expect(await post(JSON.stringify(review("good")))).toMatchObject({ status: 200 });
  });

  it.each([
    ["another method", { method: "PUT", path: reviewPath }, 405],
    ["no method of ours", { method: "GET", path: reviewPath }, 405],
    ["another path", { method: "POST", path: "/" }, 404],
    ["a path upwards", { method: "POST", path: "/../../etc/passwd" }, 404],
    ["a form", { method: "POST", path: reviewPath, headers: { "content-type": "text/plain" } }, 415],
  ] as const)("%s", async (_, options, status) => {
    expect(await send({ ...options, headers: { ...("headers" in options && options.headers) } })).toMatchObject({
      status,
    });
  });

  it("a body beyond the limit is not read to its end", async () => {
    const body = new Uint8Array(bodyBytesMax + 1);
    const declared = await post(body);
    expect(declared === undefined || declared.status === 413).toBe(true);
    const chunked = await post(body, { "transfer-encoding": "chunked" });
    expect(chunked === undefined || chunked.status === 413).toBe(true);
    expect(await post(JSON.stringify(review("good")))).toMatchObject({ status: 200 });
  });
});

const opened = async (): Promise<TLSSocket> => {
  const socket = connect({ port: server.port, host: "localhost", ca: authority.certificate, servername: "localhost" });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  return socket;
};

describe("a client that behaves badly", () => {
  it("and sends no HTTP is hung up on", async () => {
    const socket = await opened();
    socket.resume();
    socket.write("\u0000\u0001\u0002 nonsense\r\n\r\n");
    await once(socket, "close");
    expect(await post(JSON.stringify(review("good")))).toMatchObject({ status: 200 });
  });

  it("and ends in the middle of its body disturbs nobody", async () => {
    const socket = await opened();
    socket.write(
      `POST ${reviewPath} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
    );
    socket.destroy();
    expect(await post(JSON.stringify(review("good")))).toMatchObject({ status: 200 });
  });

  it("and holds many connections keeps nobody out", async () => {
    const held: TLSSocket[] = [];
    for (let count = 0; count < 400; count++) {
      const socket = await opened();
      held.push(socket);
      socket.resume();
      socket.write(`GET ${readyPath} HTTP/1.1\r\nhost: x\r\n\r\n`);
    }
    expect(await post(JSON.stringify(review("good")))).toMatchObject({ status: 200 });
    for (const socket of held) socket.destroy();
  });

  it.each<[string, () => Promise<Socket>]>([
    ["says nothing", async () => connectTcp(server.port, "localhost").on("error", () => undefined)],
    [
      "begins requests and ends none",
      async () => {
        const socket = await opened();
        const head = `POST ${reviewPath} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n`;
        socket.resume().write(head);
        return socket;
      },
    ],
  ])("and %s on many connections keeps nobody out", async (_, open) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const options = { method: "POST", path: reviewPath, agent, headers: { "content-type": "application/json" } };
    const ask = () => send(options, JSON.stringify(review("good")));
    expect(await ask()).toMatchObject({ status: 200 });
    const held: Socket[] = [];
    for (let count = 0; count < 400; count++) {
      held.push(await open());
      if (count % 50 === 0) expect(await ask()).toMatchObject({ status: 200 });
    }
    expect(await ask()).toMatchObject({ status: 200 });
    expect(await post(JSON.stringify(review("good")))).toMatchObject({ status: 200 });
    for (const socket of held) socket.destroy();
    agent.destroy();
  });

  it("and ends none of many large bodies keeps no small one out", async () => {
    const size = bodyBytesMax - 1;
    const head = `POST ${reviewPath} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${size}\r\n\r\n`;
    const held: TLSSocket[] = [];
    for (let left = pendingBytesMax - 100; left > 0; left -= size - 1) {
      const socket = await opened();
      held.push(socket);
      await promisify((bytes: string, done: (error?: Error | null) => void) => socket.resume().write(bytes, done))(
        head + " ".repeat(Math.min(left, size - 1)),
      );
    }
    for (let count = 0; count < 50; count++)
      expect(await post(JSON.stringify(review("good")))).toMatchObject({ status: 200 });
    for (const socket of held) socket.destroy();
  });

  it("and sends its headers one by one without end is hung up on in time", async () => {
    const socket = await opened();
    socket.resume();
    socket.write(`POST ${reviewPath} HTTP/1.1\r\n`);
    const dripping = setInterval(() => socket.write("x-more: 1\r\n"), 200);
    const began = performance.now();
    await once(socket, "close");
    clearInterval(dripping);
    expect(performance.now() - began).toBeLessThan(9_000);
  });
});

describe("the probe", () => {
  it("of the Deployment restarts a replica that hangs: it is answered by the program, and also before it is ready", async () => {
    const file = join(import.meta.dirname, "..", "..", "config", "manager", "deployment.yaml");
    const [container] = parse(readFileSync(file, "utf8")).spec.template.spec.containers;
    // A port alone is opened by the kernel, however stuck the program is.
    expect(container.livenessProbe.httpGet).toMatchObject({ path: livePath, port: "webhook", scheme: "HTTPS" });
    expect(container.readinessProbe.httpGet).toMatchObject({ path: readyPath, port: "webhook", scheme: "HTTPS" });
    ready = false;
    expect(await send({ path: livePath })).toMatchObject({ status: 200 });
    ready = true;
  });

  it("is answered by whether the replica does its work", async () => {
    expect(await send({ path: readyPath })).toMatchObject({ status: 200, body: "ok" });
    ready = false;
    expect(await send({ path: readyPath })).toMatchObject({ status: 503 });
    ready = true;
  });
});

describe("a stopping replica", () => {
  it("answers what was asked, tells the client to go, and is gone", async () => {
    const stopping = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const body = JSON.stringify(review("good"));
    const options = { method: "POST", path: reviewPath, agent, headers: { "content-type": "application/json" } };
    expect((await send(options, body, stopping))?.connection).toBe("keep-alive");
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const ca = authority.certificate;
    const headers = { ...options.headers, "content-length": Buffer.byteLength(body), expect: "100-continue" };
    const place = { host: "localhost", port: stopping.port, ca, agent: false as const };
    const slow = request({ ...options, ...place, headers }, (response) => {
      response
        .resume()
        .on("end", () =>
          resolve({ status: response.statusCode ?? 0, body: "", connection: response.headers.connection }),
        );
    });
    slow.flushHeaders();
    await once(slow, "continue");
    slow.write(body.slice(0, 10));
    const closed = stopping.close(5_000);
    slow.end(body.slice(10));
    expect(await promise).toMatchObject({ status: 200, connection: "close" });
    await closed;
    agent.destroy();
    expect(await send({ path: readyPath }, undefined, stopping)).toBeUndefined();
  });
});
