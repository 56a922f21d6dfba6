// CloudNativePG's operator, from the release manifest of its own module, and the storage class its Clusters use.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tools } from "./build-go.ts";
import { shortHash } from "./cache.ts";
import { command } from "./command.ts";
import { ClusterError } from "./errors.ts";
import type { KubeApi, KubeObject } from "./kube-api.ts";
import { kubeconfigPath } from "./paths.ts";
import { type Run, until } from "./run.ts";
import { imageNames, versions } from "./settings.ts";
import { provisionerName, storageClassName } from "./volumes.ts";

export const cnpgNamespace = "cnpg-system";
const deploymentPath = `/apis/apps/v1/namespaces/${cnpgNamespace}/deployments/cnpg-controller-manager`;
const manifestAnnotation = "holdfast.dev/cluster-manifest";

export interface Deployment extends KubeObject {
  readonly spec: { readonly replicas?: number };
  readonly status: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

/** As `kubectl rollout status` sees it: all replicas are of the newest template and available. */
export const isRolledOut = (deployment: Deployment): boolean => {
  const wanted = deployment.spec.replicas ?? 1;
  const { observedGeneration, replicas, updatedReplicas, availableReplicas } = deployment.status;
  const isSeen = (observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0);
  return isSeen && [replicas, updatedReplicas, availableReplicas].every((count) => (count ?? 0) === wanted);
};

const storageClass = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: storageClassName, annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner: provisionerName,
  reclaimPolicy: "Delete",
  volumeBindingMode: "Immediate",
};

export const applyStorageClass = async (api: KubeApi, run: Run): Promise<void> => {
  await api.apply(`/apis/storage.k8s.io/v1/storageclasses/${storageClassName}`, storageClass, { signal: run.signal });
};

const manifest = async (tools: Tools): Promise<string> => {
  const released = `ghcr.io/cloudnative-pg/cloudnative-pg:${versions.cnpg}`;
  const text = await readFile(join(tools.cnpg, "cnpg.yaml"), "utf8");
  if (!text.includes(released)) throw new ClusterError("Machine", `cnpg's manifest does not name ${released}`);
  return text
    .replaceAll(released, imageNames.cnpg)
    .replaceAll("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent");
};

/** Applies the manifest unless this very one has been. */
export const applyCnpg = async (tools: Tools, api: KubeApi, run: Run): Promise<void> => {
  const options = { signal: run.signal };
  const text = await manifest(tools);
  const hash = shortHash(text);
  const present = await api.find<Deployment>(deploymentPath, options);
  if (present?.metadata.annotations?.[manifestAnnotation] === hash) return;
  const kubectl = join(tools.kubernetes, "kubectl");
  const args = ["--kubeconfig", kubeconfigPath("admin"), "apply", "--server-side", "--force-conflicts", "-f", "-"];
  await command(kubectl, args, { ...options, input: text });
  const metadata = { metadata: { annotations: { [manifestAnnotation]: hash } } };
  await api.send(deploymentPath, {
    ...options,
    method: "PATCH",
    body: metadata,
    contentType: "application/merge-patch+json",
  });
};

/**
 * Rolled out, its webhook answers through the pod network (a Deployment's status may be from before a crash), and the API
 * serves its kinds, which comes some time after the API itself.
 */
export const cnpgIsReady = async (api: KubeApi, run: Run): Promise<boolean> => {
  const deployment = await api.find<Deployment>(deploymentPath, { signal: run.signal });
  if (deployment === undefined || !isRolledOut(deployment)) return false;
  const webhook = `/api/v1/namespaces/${cnpgNamespace}/services/https:cnpg-webhook-service:443/proxy/readyz`;
  await api.send(webhook, { signal: run.signal, timeoutMs: 3000 });
  await api.send("/apis/postgresql.cnpg.io/v1/clusters?limit=1", { signal: run.signal, timeoutMs: 3000 });
  return true;
};

export const waitForCnpg = async (api: KubeApi, run: Run): Promise<void> => {
  await until("CloudNativePG's operator to be rolled out", () => cnpgIsReady(api, run), {
    signal: run.signal,
    timeoutMs: 120_000,
    intervalMs: 200,
  });
};
