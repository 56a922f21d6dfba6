// One request over node:https, shared by both transports. A kept-alive connection that the server closed meanwhile
// shows only when it is used again; a request that may be repeated is then sent once more on another connection.
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import type { SecureContext } from "node:tls";
import type { TransportRequest, TransportResponse } from "./transport.ts";

/**
 * Connections are closed after 60 s without use: the API server closes its side after 90 s (k8s.io/apiserver,
 * pkg/server/secure_serving.go). A watch holds one connection for its whole life.
 */
export const createAgent = (maxConnections: number): Agent =>
  new Agent({
    keepAlive: true,
    timeout: 60_000,
    maxSockets: maxConnections,
    maxFreeSockets: maxConnections,
    scheduling: "lifo",
  });

/** Where to send to, with which connection options and credentials. */
export interface Target extends Omit<RequestOptions, "headers"> {
  readonly headers: Readonly<Record<string, string>>;
  readonly secureContext?: SecureContext;
}

/** Sends `request` to the host of `target`; `target.path` is put before the request's own path. */
export async function exchange(target: Target, request: TransportRequest): Promise<TransportResponse> {
  try {
    return await attempt(target, request);
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
    return await attempt(target, request, true);
  }
}

class StaleConnection extends Error {}

function attempt(target: Target, request: TransportRequest, last = false): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      {
        ...target,
        method: request.method,
        path: `${target.path ?? ""}${request.path}`,
        headers: { ...target.headers, ...request.headers, ...lengthOf(request.body) },
        signal: request.signal,
      },
      (incoming) => resolve({ status: incoming.statusCode ?? 0, body: incoming }),
    );
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      const stale = outgoing.reusedSocket && error.code === "ECONNRESET" && request.method !== "POST";
      reject(stale && !last ? new StaleConnection("connection was closed", { cause: error }) : error);
    });
    outgoing.end(request.body);
  });
}

const lengthOf = (body: string | undefined): Record<string, string> =>
  body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
