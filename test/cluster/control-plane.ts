// etcd, the API server, the controller manager and the scheduler.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Tools } from "./build-go.ts";
import { ClusterError } from "./errors.ts";
import { type KubeApi, openKubeApi } from "./kube-api.ts";
import { certificatePath, keyPath, kubeconfigPath, statePath, volumePlugins, volumesRoot } from "./paths.ts";
import { ensureHealthy, type ProcessSpec } from "./processes.ts";
import { type Run, until } from "./run.ts";
import { network } from "./settings.ts";

const etcdClientUrl = "http://127.0.0.1:23790";
const etcdPeerUrl = "http://127.0.0.1:23800";
const etcdData = (): string => statePath("etcd");

const etcdSpec = (tools: Tools): ProcessSpec => ({
  name: "etcd",
  program: join(tools.etcd, "etcd"),
  args: [
    `--data-dir=${etcdData()}`,
    `--listen-client-urls=${etcdClientUrl}`,
    `--advertise-client-urls=${etcdClientUrl}`,
    `--listen-peer-urls=${etcdPeerUrl}`,
    `--initial-advertise-peer-urls=${etcdPeerUrl}`,
    `--initial-cluster=default=${etcdPeerUrl}`,
    // The data live in the page cache: killed processes lose nothing, and no request waits for the disk.
    "--unsafe-no-fsync",
    "--log-level=warn",
  ],
});

const etcdIsHealthy = (run: Run) => async (): Promise<boolean> =>
  (await fetch(`${etcdClientUrl}/health`, { signal: AbortSignal.any([run.signal, AbortSignal.timeout(2000)]) })).ok;

/** Data that a hard stop of the machine left torn is given up: an empty API is better than none. */
const startEtcd = async (tools: Tools, run: Run): Promise<void> => {
  const hadData = existsSync(etcdData());
  await mkdir(etcdData(), { recursive: true, mode: 0o700 });
  try {
    await ensureHealthy(etcdSpec(tools), etcdIsHealthy(run), run);
  } catch (error) {
    if (!hadData || !(error instanceof ClusterError)) throw error;
    run.say("etcd cannot read its data (did the machine stop hard?): starting with an empty API");
    await rm(etcdData(), { recursive: true });
    await rm(volumesRoot, { recursive: true, force: true });
    await mkdir(etcdData(), { mode: 0o700 });
    await mkdir(volumesRoot, { recursive: true });
    await ensureHealthy(etcdSpec(tools), etcdIsHealthy(run), run);
  }
};

const apiServerSpec = (tools: Tools): ProcessSpec => ({
  name: "kube-apiserver",
  program: join(tools.kubernetes, "kube-apiserver"),
  args: [
    `--etcd-servers=${etcdClientUrl}`,
    `--bind-address=${network.node}`,
    `--advertise-address=${network.node}`,
    `--secure-port=${network.apiPort}`,
    `--service-cluster-ip-range=${network.services}`,
    `--tls-cert-file=${certificatePath("kube-apiserver")}`,
    `--tls-private-key-file=${keyPath("kube-apiserver")}`,
    `--client-ca-file=${certificatePath("ca")}`,
    `--kubelet-client-certificate=${certificatePath("kubelet-client")}`,
    `--kubelet-client-key=${keyPath("kubelet-client")}`,
    // Without this `kubectl logs` and `exec` would look up the node's name.
    "--kubelet-preferred-address-types=InternalIP",
    `--service-account-key-file=${statePath("pki", "service-accounts.pub")}`,
    `--service-account-signing-key-file=${keyPath("service-accounts")}`,
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--requestheader-client-ca-file=${certificatePath("ca")}`,
    "--requestheader-allowed-names=front-proxy",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${certificatePath("front-proxy")}`,
    `--proxy-client-key-file=${keyPath("front-proxy")}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--profiling=false",
  ],
});

// Neither serves anything here (no leader election, no metrics), so neither opens a port.
const controllerManagerSpec = (tools: Tools): ProcessSpec => ({
  name: "kube-controller-manager",
  program: join(tools.kubernetes, "kube-controller-manager"),
  args: [
    `--kubeconfig=${kubeconfigPath("kube-controller-manager")}`,
    "--secure-port=0",
    "--leader-elect=false",
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${keyPath("service-accounts")}`,
    `--root-ca-file=${certificatePath("ca")}`,
    `--cluster-signing-cert-file=${certificatePath("ca")}`,
    `--cluster-signing-key-file=${keyPath("ca")}`,
    `--flex-volume-plugin-dir=${volumePlugins()}`,
    "--profiling=false",
  ],
});

const schedulerSpec = (tools: Tools): ProcessSpec => ({
  name: "kube-scheduler",
  program: join(tools.kubernetes, "kube-scheduler"),
  args: [
    `--kubeconfig=${kubeconfigPath("kube-scheduler")}`,
    "--secure-port=0",
    "--leader-elect=false",
    "--profiling=false",
  ],
});

const alive = async (): Promise<boolean> => true;

/** Leaves an API that answers and in which pods may be created (the default service account is there). */
export const startControlPlane = async (tools: Tools, run: Run): Promise<KubeApi> => {
  await startEtcd(tools, run);
  const api = openKubeApi();
  const request = { signal: run.signal, timeoutMs: 3000 };
  const isReady = async (): Promise<boolean> => (await api.send("/readyz", request)) === "ok";
  await ensureHealthy(apiServerSpec(tools), isReady, run);
  await Promise.all([
    ensureHealthy(controllerManagerSpec(tools), alive, run),
    ensureHealthy(schedulerSpec(tools), alive, run),
  ]);
  const serviceAccount = "/api/v1/namespaces/default/serviceaccounts/default";
  await until("the default service account", () => api.find(serviceAccount, request), {
    signal: run.signal,
    timeoutMs: 30_000,
  });
  return api;
};
