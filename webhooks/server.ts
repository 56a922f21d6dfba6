// The HTTPS server that the API server asks. It holds nothing and judges from memory; what limits it stands at its top,
// because every pod can reach the port. A new certificate is taken over while connections go on.
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Logger } from "#observe/logger.ts";
import { createConnections } from "./connections.ts";
import type { Judgement, Mutation } from "./judgement.ts";
import {
  type AdmissionRequest,
  answer,
  answerChanged,
  describeFinding,
  MalformedReview,
  parseReview,
} from "./review.ts";

/** PEM texts. */
export interface WebhookCertificates {
  readonly certificate: string;
  readonly key: string;
}

export interface WebhookOptions {
  readonly host?: string;
  readonly port: number;
  readonly judge: (request: AdmissionRequest) => Judgement;
  readonly mutate: (request: AdmissionRequest) => Mutation;
  /** Whether this replica does all of its work: what the readiness probe is answered. */
  readonly isReady: () => boolean;
  readonly logger: Logger;
}

export interface WebhookServer {
  readonly port: number;
  /** New connections get the new certificate; open ones go on. */
  updateCertificates(certificates: WebhookCertificates): void;
  /** Accepts no more connections, answers what was asked, at most `graceMs` long. Repeated calls wait for the first. */
  close(graceMs?: number): Promise<void>;
}

export const reviewPath = "/validate";
export const mutatePath = "/mutate";
export const readyPath = "/readyz";
/** Answered by whoever is not stuck. */
export const livePath = "/livez";

/** The API server takes objects up to 3 MiB, etcd up to 1.5; a review holds an object at most twice. */
export const bodyBytesMax = 3 * 1024 * 1024;
/** Of all bodies that are being received at the same time. */
export const pendingBytesMax = 32 * 1024 * 1024;
/** Bodies up to this are received in any case, so that those who send large ones keep nobody out. */
const smallBodyBytes = 64 * 1024;
const connectionsMax = 256;
/** Of more, those that were served longest ago are closed, so that nobody keeps the API server out. */
const connectionsMany = 192;
const handshakeMaxMs = 10_000;
const headersMaxMs = 5_000;
/** The API server gives up after at most 10 s as well. */
const requestMaxMs = 10_000;
/** Longer than the 90 s after which the API server drops a connection, so that it never asks on one just closed. */
const keepAliveMs = 125_000;

export async function serveWebhooks(
  options: WebhookOptions,
  certificates: WebhookCertificates,
): Promise<WebhookServer> {
  const { logger } = options;
  const load = { pendingBytes: 0, closing: false };
  const server = createServer(
    {
      ...secureContext(certificates),
      handshakeTimeout: handshakeMaxMs,
      requestTimeout: requestMaxMs,
      headersTimeout: headersMaxMs,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: keepAliveMs,
      noDelay: true,
    },
    (request, response) => {
      const { socket } = request; // gone from the request by the time it is answered
      response.once("finish", () => connections.served(socket));
      void respond(request, response, options, load);
    },
  );
  server.maxConnections = connectionsMax;
  const connections = createConnections(connectionsMany);
  server.on("connection", (socket: Socket) => connections.opened(socket));
  server.on("tlsClientError", ({ message }) => logger.debug({ message }, "tls handshake with a webhook client failed"));
  await listen(server, options);
  let closing: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    updateCertificates: (next) => server.setSecureContext(secureContext(next)),
    close: (graceMs = 10_000) => {
      load.closing = true;
      return (closing ??= drain(server, graceMs));
    },
  };
}

const secureContext = ({ certificate, key }: WebhookCertificates) => ({
  cert: certificate,
  key,
  minVersion: "TLSv1.2" as const,
});

async function listen(server: Server, { host, port, logger }: WebhookOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ port, ...(host !== undefined && { host }) }, resolve);
  await promise;
  server.off("error", reject);
  server.on("error", (error: Error) => logger.error({ err: error }, "webhook server failed"));
}

async function drain(server: Server, graceMs: number): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  const enough = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(enough);
}

interface Load {
  pendingBytes: number;
  closing: boolean;
}

/** What is answered, before it is written. */
interface Answer {
  readonly code: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is still to come of the request is not waited for. */
  readonly hangUp?: boolean;
}

const refuse = (code: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  code,
  body,
  headers,
  hangUp: true,
});

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: WebhookOptions,
  load: Load,
): Promise<void> {
  response.on("error", () => undefined);
  const {
    code,
    body,
    headers = {},
    hangUp = false,
  } = await answerTo(request, options, load).catch((error: unknown) => {
    options.logger.error({ err: error }, "admission failed");
    return refuse(500, "this request could not be judged");
  });
  if (response.destroyed) return;
  if (load.closing || hangUp) response.setHeader("connection", "close");
  const type = body.startsWith("{") ? "application/json" : "text/plain; charset=utf-8";
  response.writeHead(code, { "content-type": type, "content-length": Buffer.byteLength(body), ...headers });
  response.end(body, () => {
    if (hangUp) request.destroy();
  });
}

async function answerTo(request: IncomingMessage, options: WebhookOptions, load: Load): Promise<Answer> {
  const path = (request.url ?? "").split("?")[0];
  const isProbe = request.method === "GET" || request.method === "HEAD";
  if (path === livePath && isProbe) return { code: 200, body: "ok" };
  if (path === readyPath && isProbe)
    return options.isReady() && !load.closing ? { code: 200, body: "ok" } : { code: 503, body: "not ready" };
  if (path !== reviewPath && path !== mutatePath) return refuse(404, `only ${reviewPath} and ${mutatePath} are served`);
  if (request.method !== "POST") return refuse(405, "only POST is answered", { allow: "POST" });
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? ""))
    return refuse(415, "the body must be application/json");
  const body = await receive(request, load);
  return body instanceof Uint8Array ? review(body, path, options) : body;
}

function review(body: Uint8Array, path: string, { judge, mutate, logger }: WebhookOptions): Answer {
  let asked: AdmissionRequest;
  try {
    asked = parseReview(body);
  } catch (error) {
    if (error instanceof MalformedReview) return { code: 400, body: error.message };
    throw error;
  }
  if (path === mutatePath) return { code: 200, body: JSON.stringify(answerChanged(asked, mutate(asked))) };
  const judgement = judge(asked);
  const { operation, resource, namespace, name } = asked;
  if (judgement.problems.length > 0) {
    const problems = judgement.problems.slice(0, 5).map(describeFinding);
    logger.info({ operation, resource, namespace, name, problems }, "refused");
  }
  return { code: 200, body: JSON.stringify(answer(asked, judgement)) };
}

/** The whole body, or what is answered instead. */
async function receive(request: IncomingMessage, load: Load): Promise<Uint8Array | Answer> {
  const tooLarge = refuse(413, `the body is larger than ${bodyBytesMax} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > bodyBytesMax) return tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      load.pendingBytes += chunk.length;
      if (bytes > bodyBytesMax) return tooLarge;
      if (bytes > smallBodyBytes && load.pendingBytes > pendingBytesMax)
        return refuse(503, "too much is asked at once", { "retry-after": "1" });
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch {
    return refuse(400, "the body ended early");
  } finally {
    load.pendingBytes -= bytes;
  }
}
