// The sidecar's transport: the API server of the pod's own cluster, with the mounted service account. No client-node:
// loading it alone costs more memory than the sidecar may use.
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContext } from "node:tls";
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
  /** Made once for a CA: one for each connection would cost native memory that is given back late. */
  readonly secureContext: SecureContext;
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
  let known: Credentials | undefined;
  let isRefused = false;

  async function currentCredentials(): Promise<Credentials> {
    if (known === undefined || isRefused || now() - known.readAt > credentialAgeMaxMs) {
      const [token, ca] = await Promise.all([
        readFile(`${folder}/token`, "utf8"),
        readFile(`${folder}/ca.crt`, "utf8"),
      ]);
      const secureContext = known?.ca === ca ? known.secureContext : createSecureContext({ ca });
      known = { token: token.trim(), ca, secureContext, readAt: now() };
    }
    return known;
  }

  return {
    async send(request) {
      const { token, ca, secureContext } = await currentCredentials();
      const { host, port } = options;
      const headers = { authorization: `Bearer ${token}` };
      // The agent keeps connections apart by `ca`, and does not look at the context.
      const response = await exchange({ agent, host, port, ca, secureContext, headers }, request);
      isRefused = response.status === 401;
      return response;
    },
    close: () => agent.destroy(),
  };
}
