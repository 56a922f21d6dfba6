// Keeps what the installation itself consists of: the certificates and the sidecar's configuration. Run by the leader.
import { formatSidecarConfig, sidecarConfigName, type ConfigMap } from "#cnpg/sidecar-config.ts";
import type { KubeClient } from "#kube/client.ts";
import { sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { Informer } from "#kube/informer.ts";
import type { Resource } from "#kube/object.ts";
import { createCertificateKeeper, type CertificateKeeper } from "#kube/pki/keeper.ts";
import type { CertificatePolicy } from "#kube/pki/plan.ts";
import type { Logger } from "#observe/logger.ts";
import { planSidecar, type Deployment } from "./plan.ts";
import {
  mutatingConfigurations,
  planTrust,
  webhookConfigurationName,
  webhookConfigurations,
  type WebhookConfiguration,
} from "./trust.ts";

export const configMaps: Resource = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};
export const deployments: Resource = {
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
};

export const serverSecret = "holdfast-server-tls";
export const webhookSecret = "holdfast-webhook-tls";
const clientSecret = "holdfast-client-tls";
const labels = { "app.kubernetes.io/name": "holdfast" };

export interface InstallationDeps {
  readonly client: KubeClient;
  /** The operator's own. */
  readonly namespace: string;
  readonly deployment: Informer<Deployment>;
  readonly sidecarConfig: Informer<ConfigMap>;
}

const deploymentName = "holdfast";

export function installationSources({ namespace, deployment, sidecarConfig }: InstallationDeps): Source[] {
  const key = () => [{ namespace, name: deploymentName }];
  return [sourceOf(deployment, key), sourceOf(sidecarConfig, key)];
}

export function installationReconcile({ client, namespace, deployment, sidecarConfig }: InstallationDeps): Reconcile {
  return async (_key, signal, logger) => {
    const current = sidecarConfig.get({ namespace, name: sidecarConfigName });
    const next = planSidecar(deployment.get({ namespace, name: deploymentName }), current);
    if (next === undefined) return {};
    const object: ConfigMap = {
      metadata: { name: sidecarConfigName, namespace, labels },
      data: formatSidecarConfig(next),
    };
    await client.apply(configMaps, object, { fieldManager: "holdfast", signal });
    logger.info({ image: next.image }, "new pods get this sidecar from now on");
    return {};
  };
}

export interface CertificateDeps extends InstallationDeps {
  /** The ones that are ours. */
  readonly webhookConfiguration: Informer<WebhookConfiguration>;
  readonly mutatingConfiguration: Informer<WebhookConfiguration>;
}

/**
 * The webhooks' configurations as well: whoever replaces them takes the authorities away, and nothing is admitted then. They
 * are not waited for: who may not see them must have certificates all the same.
 */
export function certificateSources(deps: CertificateDeps): Source[] {
  const { namespace, deployment, webhookConfiguration, mutatingConfiguration } = deps;
  const key = () => [{ namespace, name: deploymentName }];
  const watched = (configuration: Informer<WebhookConfiguration>): Source => ({
    ...sourceOf(configuration, key),
    synced: async () => undefined,
  });
  return [sourceOf(deployment, key), watched(webhookConfiguration), watched(mutatingConfiguration)];
}

export interface CertificateOptions {
  readonly client: KubeClient;
  /** The operator's own. */
  readonly namespace: string;
  readonly policy: CertificatePolicy;
  readonly logger: Logger;
}

/** CNPG and the API server verify the servers by the Services' names. */
export function installationCertificates(options: CertificateOptions): CertificateKeeper {
  const { client, namespace, policy, logger } = options;
  const webhookService = "holdfast-webhook";
  return createCertificateKeeper({
    client,
    namespace,
    authoritySecret: "holdfast-ca",
    leaves: [
      {
        name: serverSecret,
        usage: "server",
        dnsNames: ["holdfast", `holdfast.${namespace}`, `holdfast.${namespace}.svc`],
      },
      { name: clientSecret, usage: "client", dnsNames: ["holdfast-client"] },
      {
        name: webhookSecret,
        usage: "server",
        dnsNames: [`${webhookService}.${namespace}.svc`, `${webhookService}.${namespace}.svc.cluster.local`],
      },
    ],
    publishTrust: (bundle, signal) => publishTrust(client, bundle, signal, logger),
    logger,
    labels,
    policy,
  });
}

export function certificateReconcile(
  { client, namespace }: CertificateDeps,
  policy: CertificatePolicy,
  logger: Logger,
): Reconcile {
  const keeper = installationCertificates({ client, namespace, policy, logger });
  return async (_key, signal) => ({ requeueAfterMs: await keeper.keep(signal) });
}

/** Without a configuration there is nobody to tell: admission is not installed. */
async function publishTrust(client: KubeClient, bundle: string, signal: AbortSignal, logger: Logger): Promise<void> {
  const key = { name: webhookConfigurationName };
  for (const resource of [webhookConfigurations, mutatingConfigurations]) {
    // Read anew and not from the cache: nothing may be switched before the API server trusts what comes.
    const current = await client.get<WebhookConfiguration>(resource, key, { signal });
    const patch = current === undefined ? [] : planTrust(current, bundle);
    if (patch.length === 0) continue;
    await client.patch(resource, key, patch, { type: "json", fieldManager: "holdfast", signal });
    logger.info({ kind: resource.kind, name: key.name }, "the API server trusts these authorities from now on");
  }
}
