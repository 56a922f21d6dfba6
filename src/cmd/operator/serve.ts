// Serves CNPG over mutual TLS. Certificates come from the Secret that the leader keeps; a renewed one is taken over while
// connections go on.
import { serverSecret } from "#controllers/installation/controller.ts";
import type { AccessKeeper } from "#controllers/cluster/access-keeper.ts";
import { parseSidecarConfig, sidecarConfigName } from "#cnpg/sidecar-config.ts";
import { identityService } from "#cnpgi/identity.ts";
import { lifecycleService } from "#cnpgi/lifecycle.ts";
import { reconcilerHooksService } from "#cnpgi/reconciler-hooks.ts";
import { serveTls, type Certificates } from "#cnpgi/server.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import type { KubeClient } from "#kube/client.ts";
import { secrets, type Secret } from "#kube/pki/keeper.ts";
import type { Logger } from "#observe/logger.ts";
import { delay } from "#std/abort.ts";
import { version } from "../version.ts";
import type { createReplicaCaches } from "./caches.ts";
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
const certificatesEveryMs = 10_000;
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
      storeSidecarSettings: (storeNamespace, name) =>
        caches.stores.get({ namespace: storeNamespace, name })?.spec.instanceSidecarConfiguration,
    }),
    reconcilerHooksService({
      ensureCluster: async (cluster, hookSignal) => {
        await deps.access.ensure(cluster, hookSignal);
        await deps.gate.check(cluster, hookSignal);
      },
    }),
  ];
  let certificates = await readUntilThere(client, namespace, signal);
  const server = await serveTls({ port }, certificates, { services, logger });

  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      await delay(certificatesEveryMs, signal).catch(() => undefined);
      const next = await readCertificates(client, namespace, signal).catch(() => undefined);
      if (next === undefined || next.certificate === certificates.certificate) continue;
      certificates = next;
      server.updateCertificates(next);
      logger.info("serving with renewed certificates");
    }
  };
  const following = follow();
  return {
    close: async () => {
      stopping = true;
      await delay(lameDuckMs, AbortSignal.timeout(lameDuckMs + 1_000));
      await server.close();
      await following;
    },
  };
}

async function readUntilThere(client: KubeClient, namespace: string, signal: AbortSignal): Promise<Certificates> {
  for (;;) {
    const found = await readCertificates(client, namespace, signal).catch(() => undefined);
    if (found !== undefined) return found;
    await delay(500, signal);
  }
}

async function readCertificates(
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<Certificates | undefined> {
  const secret = await client.get<Secret>(secrets, { namespace, name: serverSecret }, { signal });
  const text = (key: string): string => Buffer.from(secret?.data?.[key] ?? "", "base64").toString("utf8");
  const [certificate, key, clientCa] = [text("tls.crt"), text("tls.key"), text("ca.crt")];
  return certificate === "" || key === "" || clientCa === "" ? undefined : { certificate, key, clientCa };
}
