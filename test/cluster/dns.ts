// CoreDNS for pods. It knows the cluster's names and nothing else: a name of the outside world does not exist here, so
// that tests mean the same on machines with and without a way out.
import { Resolver } from "node:dns/promises";
import { join } from "node:path";
import type { Tools } from "./build-go.ts";
import { keepFile, kubeconfigPath, statePath } from "./paths.ts";
import { ensureHealthy } from "./processes.ts";
import type { Run } from "./run.ts";
import { network } from "./settings.ts";

const configuration = (): string => `cluster.local:53 in-addr.arpa:53 {
  bind ${network.node}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfigPath("admin")} holdfast
    ttl 5
  }
}
.:53 {
  bind ${network.node}
  errors
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;

const resolvesApiServer = async (): Promise<boolean> => {
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([network.node]);
  return (await resolver.resolve4("kubernetes.default.svc.cluster.local")).includes(network.apiService);
};

export const startDns = async (tools: Tools, run: Run): Promise<void> => {
  const file = statePath("Corefile");
  await keepFile(file, configuration());
  const spec = {
    name: "coredns" as const,
    program: join(tools.coredns, "coredns"),
    args: ["-conf", file],
    configuration: configuration(),
  };
  await ensureHealthy(spec, resolvesApiServer, run);
};
