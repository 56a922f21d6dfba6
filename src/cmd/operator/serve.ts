// Serves CNPG over mutual TLS. Certificates come from the Secret that the leader keeps; a renewed one is taken over while
// connections go on.
import { serverSecret } from "#controllers/installation/controller.ts";
import type { AccessKeeper } from "#controllers/cluster/access-keeper.ts";
import { parseSidecarConfig, sidecarConfigName, sidecarSettingsOfStanza } from "#cnpg/sidecar-config.ts";
import { identityService } from "#cnpgi/identity.ts";
import { lifecycleService } from "#cnpgi/lifecycle.ts";
import { reconcilerHooksService } from "#cnpgi/reconciler-hooks.ts";
import { serveTls } from "#cnpgi/server.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Logger } from "#observe/logger.ts";
import { delay } from "#std/abort.ts";
import { version } from "../version.ts";
import type { createReplicaCaches } from "./caches.ts";
import { followCertificates } from "./certificates.ts";
import type { RecoveryGate } from "./recovery-gate.ts";

export interface ServeDeps {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly caches: ReturnType<typeof createReplicaCaches>;
  readonly access: AccessKeeper;
  readonly gate: RecoveryGate;
  readonly logger: Logger;
}

const port = 9090;
/** After SIGTERM: how long calls are refused on open connections, so that CNPG turns to another replica, before they end. */
const lameDuckMs = 2_000;

export async function serveCnpg(deps: ServeDeps, signal: AbortSignal): Promise<{ close(): Promise<void> }> {
  const { client, namespace, caches, logger } = deps;
  let stopping = false;
  const services = [
    identityService({
      role: "operator",
      version,
      probe: () => {
        if (stopping) throw new RpcError("UNAVAILABLE", "this replica is stopping");
      },
    }),
    lifecycleService({
      sidecarConfig: () => {
        const configMap = caches.sidecarConfig.get({ namespace, name: sidecarConfigName });
        const config = configMap && parseSidecarConfig(configMap);
        if (config === undefined)
          throw new RpcError(
            "UNAVAILABLE",
            `ConfigMap ${sidecarConfigName} is not there yet: the operator's rollout has not finished`,
          );
        return config;
      },
      storeSidecarSettings: (storeNamespace, { kind, name }) => {
        const key = { namespace: storeNamespace, name };
        if (kind === "ObjectStore") return caches.stores.get(key)?.spec.instanceSidecarConfiguration;
        const stanza = caches.stanzas.get(key);
        return stanza && sidecarSettingsOfStanza(stanza);
      },
    }),
    reconcilerHooksService({
      ensureCluster: async (cluster, hookSignal) => {
        await deps.access.ensure(cluster, hookSignal);
        await deps.gate.check(cluster, hookSignal);
      },
    }),
  ];
  const followed = await followCertificates({ client, namespace, secret: serverSecret, logger }, signal);
  const server = await serveTls({ port }, followed.current(), { services, logger });
  followed.onRenewal((next) => server.updateCertificates(next));
  return {
    close: async () => {
      stopping = true;
      await delay(lameDuckMs, AbortSignal.timeout(lameDuckMs + 1_000));
      await server.close();
    },
  };
}
