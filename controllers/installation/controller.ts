// Keeps what the installation itself consists of: the certificates and the sidecar's configuration. Run by the leader.
import { formatSidecarConfig, sidecarConfigName, type ConfigMap } from "#cnpg/sidecar-config.ts";
import type { KubeClient } from "#kube/client.ts";
import { sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { Informer } from "#kube/informer.ts";
import type { Resource } from "#kube/object.ts";
import { createCertificateKeeper } from "#kube/pki/keeper.ts";
import type { CertificatePolicy } from "#kube/pki/plan.ts";
import type { Logger } from "#observe/logger.ts";
import { planSidecar, type Deployment } from "./plan.ts";

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

export const certificateSources = ({ namespace, deployment }: InstallationDeps): Source[] => [
  sourceOf(deployment, () => [{ namespace, name: deploymentName }]),
];

/** CNPG verifies the server by the Service's name. */
export function certificateReconcile(
  { client, namespace }: InstallationDeps,
  policy: CertificatePolicy,
  logger: Logger,
): Reconcile {
  const keeper = createCertificateKeeper({
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
    ],
    logger,
    labels,
    policy,
  });
  return async (_key, signal) => ({ requeueAfterMs: await keeper.keep(signal) });
}
