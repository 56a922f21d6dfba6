// The unary gRPC server of both processes: on a unix socket inside PostgreSQL pods, over mutual TLS 1.3 beside the
// operator. On node:http2 alone. Sessions and their end are here; one call is in call.ts.
import { chmod, lstat, unlink } from "node:fs/promises";
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo, ListenOptions, Server as NetServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "#observe/logger.ts";
import { handleCall, type CallEnvironment } from "./call.ts";
import type { Method, Service } from "./service.ts";
import { RpcError } from "./status-code.ts";

export interface ServerOptions {
  readonly services: readonly Service[];
  readonly logger: Logger;
}

/** PEM texts. `clientCa` is every authority whose client certificates are accepted. */
export interface Certificates {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
}

export interface RpcServer {
  /**
   * Drains: accepts no more calls (GOAWAY), waits at most `graceMs` for those under way, aborts the rest and closes.
   * Repeated calls wait for the first.
   */
  close(graceMs?: number): Promise<void>;
}

export interface TlsRpcServer extends RpcServer {
  readonly port: number;
  /** New connections get the new certificate and are checked against the new bundle; open ones go on. */
  updateCertificates(certificates: Certificates): void;
}

const maxMessageBytes = 16 * 1024 * 1024;
const maxStreamsPerSession = 128;
const maxSessions = 64;
const maxCalls = 256;
const handshakeTimeoutMs = 10_000;
const defaultGraceMs = 10_000;
/** What aborted calls get to write their last status. */
const abortedGraceMs = 500;

const sessionOptions = {
  settings: { maxConcurrentStreams: maxStreamsPerSession, enablePush: false },
  // Dead peers are found by TCP; clients may ping as they like and Node answers.
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};

/**
 * Serves on a unix socket. Call it last, when everything behind the services is ready: the socket's appearance is what
 * the startup probe of the sidecar waits for. A socket left by an earlier process is removed first.
 */
export async function serveUnix(path: string, options: ServerOptions): Promise<RpcServer> {
  await removeStaleSocket(path);
  const server = createServer(sessionOptions);
  const lifecycle = attach(server, options);
  await listen(server, { path }, options.logger);
  await chmod(path, 0o660);
  return lifecycle;
}

/** Serves over TCP with TLS 1.3, to clients that show a certificate signed by one of the given authorities. */
export async function serveTls(
  address: { readonly host?: string; readonly port: number },
  certificates: Certificates,
  options: ServerOptions,
): Promise<TlsRpcServer> {
  const server = createSecureServer({
    ...sessionOptions,
    ...secureContext(certificates),
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: handshakeTimeoutMs,
  });
  // A probe that opens the port and goes away again is no news; a certificate that is refused is.
  server.on("tlsClientError", (error) => {
    const isProbe = (error as NodeJS.ErrnoException).code === "ECONNRESET";
    options.logger[isProbe ? "debug" : "info"]({ message: error.message }, "tls handshake refused");
  });
  const lifecycle = attach(server, options);
  await listen(server, address, options.logger);
  return {
    ...lifecycle,
    port: (server.address() as AddressInfo).port,
    updateCertificates: (next) => server.setSecureContext(secureContext(next)),
  };
}

const secureContext = (certificates: Certificates) => ({
  cert: certificates.certificate,
  key: certificates.key,
  ca: certificates.clientCa,
  minVersion: "TLSv1.3" as const,
});

async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isSocket() === true) await unlink(path);
}

async function listen(server: NetServer, options: ListenOptions, logger: Logger): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(options, resolve);
  await promise;
  server.off("error", reject);
  server.on("error", (error: Error) => logger.error({ err: error }, "server failed"));
}

function attach(server: Http2Server | Http2SecureServer, options: ServerOptions): RpcServer {
  const sessions = new Set<ServerHttp2Session>();
  const calls = new Set<Promise<void>>();
  const shutdown = new AbortController();
  const environment: CallEnvironment = {
    methods: methodTable(options.services),
    maxMessageBytes,
    logger: options.logger,
    shutdown: shutdown.signal,
    admit: () => calls.size < maxCalls,
  };
  server.maxConnections = maxSessions;
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", (error: Error) => options.logger.debug({ message: error.message }, "connection broke"));
  });
  server.on("stream", (stream, headers) => {
    const call = handleCall(stream, headers, environment).finally(() => calls.delete(call));
    calls.add(call);
  });
  let closing: Promise<void> | undefined;
  return { close: (graceMs = defaultGraceMs) => (closing ??= drain(graceMs)) };

  async function drain(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
    for (const session of sessions) session.close();
    if (await settles([closed, ...calls], graceMs)) return;
    shutdown.abort(new RpcError("UNAVAILABLE", "the server is shutting down"));
    await settles([closed, ...calls], abortedGraceMs);
    for (const session of sessions) session.destroy();
    await closed;
  }
}

function methodTable(services: readonly Service[]): ReadonlyMap<string, Method> {
  return new Map(services.flatMap((service) => [...service.methods]));
}

/** Whether all promises settle within `ms`. */
async function settles(promises: readonly Promise<void>[], ms: number): Promise<boolean> {
  const timer = new AbortController();
  const timeout = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  const done = Promise.allSettled(promises).then(() => true);
  const settled = await Promise.race([done, timeout]);
  timer.abort();
  return settled;
}
