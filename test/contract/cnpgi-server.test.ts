// Calls and their ends on our gRPC server, seen by an independent client, @grpc/grpc-js, over the unix socket. CNPG's own
// client is Go; what the two have in common is the protocol, and that is what is held here.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import { constants } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { WAL } from "#cnpgi/gen/wal_pb.ts";
import { serveUnix } from "#cnpgi/server.ts";
import { service, type CallContext } from "#cnpgi/service.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import {
  call,
  cleanUp,
  cleanups,
  connect,
  echo,
  grpcHeaders,
  logger,
  rawCall,
  rawSession,
  statusPath,
  temporarySocket,
  type RawReply,
  type WalHandlers,
} from "./cnpgi-client.ts";

const mebibyte = 1024 * 1024;

afterEach(cleanUp);

async function startUnix(handlers: WalHandlers = echo) {
  const path = await temporarySocket();
  const server = await serveUnix(path, { services: [service(WAL, handlers)], logger });
  cleanups.push(() => server.close(0));
  return { server, path, client: connect(`unix://${path}`) };
}

/** A handler that runs until its signal aborts, and says so. */
function hanging() {
  const entered = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  const status = (_: unknown, context: CallContext): Promise<never> => {
    entered.resolve();
    return new Promise((_, reject) => {
      context.signal.addEventListener("abort", () => {
        aborted.resolve(context.signal.reason);
        reject(context.signal.reason as RpcError);
      });
    });
  };
  return { handlers: { status } satisfies WalHandlers, entered: entered.promise, aborted: aborted.promise };
}

describe("a unary call over the unix socket", () => {
  it("carries request and response", async () => {
    const { client } = await startUnix();
    expect(await call(client, { request: { clusterDefinition: Buffer.from("{}") } })).toEqual({
      code: grpc.status.OK,
      details: "",
      firstWal: "2",
    });
  });

  it("takes a message just below 16 MiB and refuses a larger one while keeping the connection", async () => {
    const { client } = await startUnix();
    const largest = Buffer.alloc(16 * mebibyte - 5);
    expect(await call(client, { request: { clusterDefinition: largest } })).toMatchObject({ firstWal: "16777211" });
    const refused = await call(client, { request: { clusterDefinition: Buffer.alloc(17 * mebibyte) } });
    expect(refused.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
    expect(refused.details).toContain("larger than the limit of 16777216");
    expect(await call(client)).toMatchObject({ code: grpc.status.OK });
  });

  it("serves a hundred calls at once on one connection", async () => {
    const gate = Promise.withResolvers<void>();
    let running = 0;
    const { client } = await startUnix({
      status: async (request) => {
        running += 1;
        if (running === 100) gate.resolve();
        await gate.promise;
        return { firstWal: String(request.clusterDefinition.length) };
      },
    });
    const sizes = Array.from({ length: 100 }, (_, index) => index * 1000);
    const replies = await Promise.all(
      sizes.map((size) => call(client, { request: { clusterDefinition: Buffer.alloc(size) } })),
    );
    expect(replies.map((reply) => reply.firstWal)).toEqual(sizes.map(String));
  });

  it("carries an error's code and its text in UTF-8", async () => {
    const text = "archive «côté» is 100% full: 容量 🚫";
    const { client } = await startUnix({
      status: () => {
        throw new RpcError("FAILED_PRECONDITION", text);
      },
    });
    expect(await call(client)).toMatchObject({ code: grpc.status.FAILED_PRECONDITION, details: text });
  });

  it("turns a handler's bug into one line of INTERNAL and goes on serving", async () => {
    const { client } = await startUnix({
      status: () => {
        throw new TypeError("cannot read\nproperties of undefined");
      },
    });
    for (let round = 0; round < 2; round++) {
      expect(await call(client)).toMatchObject({
        code: grpc.status.INTERNAL,
        details: "cannot read properties of undefined",
      });
    }
  });

  it("answers UNIMPLEMENTED to an unknown service and to a method without a handler", async () => {
    const { client } = await startUnix();
    for (const path of ["/cnpgi.unknown.v1.Nothing/Do", "/cnpgi.wal.v1.WAL/SetFirstRequired"]) {
      expect(await call(client, { path })).toMatchObject({
        code: grpc.status.UNIMPLEMENTED,
        details: `unknown method ${path}`,
      });
    }
  });

  it("refuses bytes that are not the request message", async () => {
    const { client } = await startUnix();
    const reply = await new Promise<grpc.ServiceError | null>((resolve) => {
      const raw = (bytes: Buffer): Buffer => bytes;
      client.makeUnaryRequest(statusPath, raw, raw, Buffer.from([0xff, 0xff]), resolve);
    });
    expect(reply).toMatchObject({
      code: grpc.status.INVALID_ARGUMENT,
      details: "request is not a cnpgi.wal.v1.WALStatusRequest",
    });
  });

  it("ends at the caller's deadline and aborts the handler", async () => {
    const { handlers, aborted } = hanging();
    const { client } = await startUnix(handlers);
    expect(await call(client, { deadlineMs: 100 })).toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
    const reason = (await aborted) as RpcError;
    expect(["DEADLINE_EXCEEDED", "CANCELLED"]).toContain(reason.code);
  });

  it("enforces the deadline itself when the caller does not", async () => {
    const { handlers, aborted } = hanging();
    const { path } = await startUnix(handlers);
    const reply = await rawCall(path, grpcHeaders({ "grpc-timeout": "50m" }), Buffer.alloc(5));
    expect(reply).toMatchObject({ grpcStatus: "4" });
    expect(await aborted).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  it("aborts the handler when the caller cancels", async () => {
    const { handlers, entered, aborted } = hanging();
    const { client } = await startUnix(handlers);
    let running: grpc.ClientUnaryCall | undefined;
    const reply = call(client, { started: (started) => (running = started) });
    await entered;
    running?.cancel();
    expect(await reply).toMatchObject({ code: grpc.status.CANCELLED });
    expect(await aborted).toMatchObject({ code: "CANCELLED" });
  });

  it("aborts the handler when the caller's process goes away", async () => {
    const { handlers, entered, aborted } = hanging();
    const { path } = await startUnix(handlers);
    const session = rawSession(path);
    session.request(grpcHeaders()).end(Buffer.alloc(5));
    await entered;
    session.destroy();
    expect(await aborted).toMatchObject({ code: "CANCELLED" });
  });

  it("tolerates a client that pings all the time", async () => {
    const { path } = await startUnix();
    const session = rawSession(path);
    await once(session, "connect");
    for (let count = 0; count < 20; count++) {
      await new Promise<void>((resolve, reject) => {
        session.ping((error) => (error === null ? resolve() : reject(error)));
      });
    }
    expect(await rawCall(path, grpcHeaders(), Buffer.alloc(5))).toMatchObject({ status: 200, grpcStatus: "0" });
  });
});

describe("requests that no well-behaved client sends", () => {
  const cases: readonly [string, Record<string, string>, Buffer, Partial<RawReply>][] = [
    ["a compressed message", { "grpc-encoding": "gzip" }, Buffer.from([1, 0, 0, 0, 0]), { grpcStatus: "12" }],
    ["two messages", {}, Buffer.alloc(10), { grpcStatus: "3" }],
    ["half a message", {}, Buffer.from([0, 0, 0, 0, 9, 1]), { grpcStatus: "3" }],
    ["no message", {}, Buffer.alloc(0), { grpcStatus: "3" }],
    ["a malformed deadline", { "grpc-timeout": "soon" }, Buffer.alloc(5), { grpcStatus: "3" }],
    ["another content type", { "content-type": "application/json" }, Buffer.alloc(5), { status: 415 }],
    ["another HTTP method", { ":method": "PUT" }, Buffer.alloc(5), { status: 405 }],
  ];
  it.each(cases)("answers %s with a status", async (_, headers, body, expected) => {
    const { path } = await startUnix();
    expect(await rawCall(path, grpcHeaders(headers), body)).toMatchObject(expected);
  });
});

describe("the ends of a request", () => {
  it("has time when the deadline is centuries away", async () => {
    const { path } = await startUnix({ status: async () => ({ firstWal: await delay(50, "slow") }) });
    const headers = grpcHeaders({ "grpc-timeout": "99999999H" });
    expect(await rawCall(path, headers, Buffer.alloc(5))).toMatchObject({ grpcStatus: "0" });
  });

  it("stops a client that goes on sending after it has its answer", async () => {
    const { path } = await startUnix();
    const stream = rawSession(path).request(grpcHeaders());
    stream.resume();
    stream.write(Buffer.from([1, 0, 0, 0, 0]));
    const [answer] = await once(stream, "response");
    expect(answer).toMatchObject({ "grpc-status": "12" });
    await once(stream, "close");
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  });
});

describe("the unix socket", () => {
  it("replaces one that an earlier process left behind", async () => {
    const path = await temporarySocket();
    const listening = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
    const dead = spawn(process.execPath, ["-e", listening], { stdio: ["ignore", "pipe", "inherit"] });
    await once(dead.stdout, "data");
    dead.kill("SIGKILL");
    await once(dead, "exit");
    expect((await stat(path)).isSocket()).toBe(true);
    const server = await serveUnix(path, { services: [service(WAL, echo)], logger });
    cleanups.push(() => server.close(0));
    expect((await stat(path)).mode & 0o777).toBe(0o660);
    expect(await call(connect(`unix://${path}`))).toMatchObject({ code: grpc.status.OK });
  });

  it("is gone after close", async () => {
    const { server, path } = await startUnix();
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it("cannot be taken where a plain file stands", async () => {
    const path = await temporarySocket();
    await writeFile(path, "");
    await expect(serveUnix(path, { services: [], logger })).rejects.toThrow("EADDRINUSE");
  });
});

describe("the drain", () => {
  it("lets calls under way finish and takes no new ones", async () => {
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const { server, client } = await startUnix({
      status: async () => {
        entered.resolve();
        await gate.promise;
        return { firstWal: "finished" };
      },
    });
    const running = call(client);
    await entered.promise;
    const closed = server.close();
    expect(await call(client)).toMatchObject({ code: grpc.status.UNAVAILABLE });
    gate.resolve();
    expect(await running).toMatchObject({ code: grpc.status.OK, firstWal: "finished" });
    await closed;
  });

  it("aborts with UNAVAILABLE what outlasts the grace", async () => {
    const { handlers, entered, aborted } = hanging();
    const { server, client } = await startUnix(handlers);
    const running = call(client);
    await entered;
    await server.close(50);
    expect(await running).toMatchObject({ code: grpc.status.UNAVAILABLE, details: "the server is shutting down" });
    expect(await aborted).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("ends even when a handler ignores its signal", async () => {
    const entered = Promise.withResolvers<void>();
    const { server, client } = await startUnix({
      status: () => {
        entered.resolve();
        return new Promise<never>(() => undefined);
      },
    });
    const running = call(client);
    await entered.promise;
    await server.close(50);
    expect(await running).toMatchObject({ code: grpc.status.UNAVAILABLE });
  });

  it("ends even when a client takes no answer", async () => {
    const { server, path } = await startUnix();
    const session = rawSession(path, { initialWindowSize: 0 });
    const stream = session.request(grpcHeaders());
    stream.end(Buffer.alloc(5));
    await once(stream, "response");
    await server.close(50);
    expect(session.destroyed || session.closed).toBe(true);
  });

  it("closes idle connections at once", async () => {
    const { server, path } = await startUnix();
    const session = rawSession(path);
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    const gone = new Promise<number>((resolve) => session.once("goaway", resolve));
    await server.close();
    expect(await gone).toBe(constants.NGHTTP2_NO_ERROR);
  });
});
