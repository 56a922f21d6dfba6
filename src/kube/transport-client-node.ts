// The transport of the operator, the command line and the tests: client-node reads $KUBECONFIG, ~/.kube/config or the
// mounted service account and knows every way to authenticate (exec plugins, OIDC, token files). Only that part of it is
// used; requests go over node:https. The one file that may import client-node, and only when called (81 MB of memory).
import type { Agent, RequestOptions } from "node:https";
import { createAgent, exchange, type Target } from "./https-exchange.ts";
import { KubeError } from "./errors.ts";
import type { Transport } from "./transport.ts";

export interface ClientNodeTransport extends Transport {
  /** Namespace of the current context, if it names one. */
  readonly namespace: string | undefined;
}

/** `kubeconfig` is the text of one; without it client-node looks in the usual places. */
export async function loadClientNodeTransport(kubeconfig?: string): Promise<ClientNodeTransport> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if (kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromString(kubeconfig);
  const cluster = config.getCurrentCluster();
  const url = cluster === null ? undefined : URL.parse(cluster.server);
  if (cluster === null || url?.protocol !== "https:")
    throw new KubeError("Unavailable", "no https api server in the kubeconfig and no service account is mounted");

  const agent = createAgent(100);
  // Credentials may change from call to call: the agent keeps connections apart by the TLS options they were made with.
  async function target(): Promise<Target> {
    const headers: Record<string, string> = {};
    const options: RequestOptions = { headers };
    await config.applyToHTTPSOptions(options);
    const viaProxy = cluster?.proxyUrl === undefined ? undefined : (options.agent as Agent);
    return {
      ...options,
      headers,
      agent: viaProxy ?? agent,
      host: url?.hostname.replace(/^\[|\]$/g, ""),
      port: url?.port === "" ? 443 : url?.port,
      path: url?.pathname.replace(/\/$/, ""),
    };
  }

  return {
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    send: async (request) => exchange(await target(), request),
    close: () => agent.destroy(),
  };
}
