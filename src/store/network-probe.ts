// The way to an endpoint, step by step: its name, its port, its certificate. The same look-up and authorities as the
// requests that follow.
import { lookup as lookupAnywhere } from "node:dns";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { CallOptions } from "./call.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly lookup?: LookupFunction;
  /** Certificates (PEM) that replace the well-known authorities. */
  readonly ca?: string;
  /** Whoever answers is trusted. */
  readonly anyCertificate?: boolean;
}

/** An address needs no look-up. */
export async function resolveHost({ host, lookup = lookupAnywhere }: Endpoint, { signal }: CallOptions): Promise<void> {
  signal.throwIfAborted();
  if (isIP(host) !== 0) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  lookup(host, { all: true }, (error) => (error === null ? resolve() : reject(error)));
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

export const connectTo = ({ host, port, lookup }: Endpoint, options: CallOptions): Promise<void> =>
  opened(connect({ host, port, ...(lookup && { lookup }) }), "connect", options);

export const handshakeWith = (
  { host, port, lookup, ca, anyCertificate = false }: Endpoint,
  options: CallOptions & { readonly anyCertificate?: boolean },
): Promise<void> =>
  opened(
    connectTls({
      host,
      port,
      rejectUnauthorized: !(options.anyCertificate ?? anyCertificate),
      ...(isIP(host) === 0 && { servername: host }),
      ...(lookup && { lookup }),
      ...(ca !== undefined && { ca }),
    }),
    "secureConnect",
    options,
  );

async function opened(socket: Socket, event: string, { signal }: CallOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once(event, () => resolve());
  socket.on("error", reject);
  // A server that hangs up in the middle of the handshake makes no error.
  socket.once("close", () => reject(Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" })));
  try {
    if (signal.aborted) onAbort();
    await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}
