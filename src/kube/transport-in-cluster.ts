// The sidecar's transport: the API server of the pod's own cluster, with the mounted service account. No client-node:
// loading it alone costs more memory than the sidecar may use.
import { readFile } from "node:fs/promises";
import { createAgent, exchange } from "./https-exchange.ts";
import type { Transport } from "./transport.ts";

const accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
const credentialAgeMaxMs = 60_000;

export interface InClusterOptions {
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which the kubelet sets in every container. */
  readonly host: string;
  readonly port: number;
  readonly accountFolder?: string;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

interface Credentials {
  readonly token: string;
  readonly ca: string;
  readonly readAt: number;
}

/** What the kubelet's environment says; undefined outside a cluster. */
export function inClusterAddress(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly host: string; readonly port: number } | undefined {
  const host = environment["KUBERNETES_SERVICE_HOST"];
  const port = Number(environment["KUBERNETES_SERVICE_PORT"]);
  return host === undefined || host === "" || !Number.isInteger(port) || port <= 0 ? undefined : { host, port };
}

/** The kubelet replaces the token before it expires, so it is read again when older than a minute, and after a 401. */
export function createInClusterTransport(options: InClusterOptions): Transport {
  const agent = createAgent(8);
  const folder = options.accountFolder ?? accountFolder;
  const now = options.now ?? (() => performance.now());
  let credentials: Credentials | undefined;

  async function currentCredentials(): Promise<Credentials> {
    if (credentials === undefined || now() - credentials.readAt > credentialAgeMaxMs) {
      const [token, ca] = await Promise.all([
        readFile(`${folder}/token`, "utf8"),
        readFile(`${folder}/ca.crt`, "utf8"),
      ]);
      credentials = { token: token.trim(), ca, readAt: now() };
    }
    return credentials;
  }

  return {
    async send(request) {
      const { token, ca } = await currentCredentials();
      const headers = { authorization: `Bearer ${token}` };
      const response = await exchange({ agent, host: options.host, port: options.port, ca, headers }, request);
      if (response.status === 401) credentials = undefined;
      return response;
    },
    close: () => agent.destroy(),
  };
}
