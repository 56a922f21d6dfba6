// Ends TLS in front of the plain store and passes the bytes on. The Host header stays as the client signed it, so signed
// requests hold.
import { readFile } from "node:fs/promises";
import { get } from "node:https";
import { connect } from "node:net";
import { pipeline } from "node:stream";
import { createServer, type TLSSocket } from "node:tls";
import { storeAuthority, storeTlsUrl } from "./minio.ts";
import { certificatePath, keyPath } from "./paths.ts";
import type { Run } from "./run.ts";
import { network } from "./settings.ts";

/** Serves until the signal fires. */
export const serveTls = async (run: Run): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const forward = (client: TLSSocket): void => {
    const upstream = connect(network.storePort, network.node);
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    // Either side may hang up at any time; pipeline then closes the other, and there is nobody to tell.
    pipeline(client, upstream, () => undefined);
    pipeline(upstream, client, () => undefined);
  };
  const server = createServer(
    { cert: await readFile(certificatePath("store")), key: await readFile(keyPath("store")) },
    forward,
  );
  server.on("error", reject);
  server.listen(network.storeTlsPort, network.node);
  run.signal.addEventListener("abort", () => {
    server.close();
    resolve();
  });
  await promise;
};

/** Asks the store through the endpoint, trusting its authority only. */
export const storeTlsIsHealthy = async (run: Run): Promise<boolean> => {
  const signal = AbortSignal.any([run.signal, AbortSignal.timeout(2000)]);
  const ca = await readFile(storeAuthority());
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const sent = get(`${storeTlsUrl}/minio/health/live`, { ca, signal, agent: false }, (response) => {
    response.resume();
    resolve(response.statusCode === 200);
  });
  sent.on("error", reject);
  return promise;
};
