// The one node: containerd, kubelet, kube-proxy and the pod network.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Tools } from "./build-go.ts";
import { cgroupRoot, makeCgroupRoot } from "./cgroups.ts";
import { command } from "./command.ts";
import type { KubeApi, KubeObject } from "./kube-api.ts";
import {
  certificatePath,
  containerdSocket,
  keepFile,
  keyPath,
  kubeconfigPath,
  runRoot,
  statePath,
  volumePlugins,
} from "./paths.ts";
import { ensureHealthy, type ProcessSpec } from "./processes.ts";
import { type Run, until } from "./run.ts";
import { imageNames, network, nodeName } from "./settings.ts";

/** Mark of our network in files that CNI keeps outside the state folder. */
export const cniNetworkName = "holdfast-cluster";

/** Containerd's own run-time state; one folder a running container below it. */
export const containerdState = join(runRoot, "containerd");

/** Also holds the pods' network namespaces, below `state`, so that nothing of ours stands in /run/netns. */
const containerdConfiguration = (): string => `version = 2
root = "${statePath("containerd")}"
state = "${containerdState}"
# Would make /opt/containerd.
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "${containerdSocket}"
[debug]
  level = "warn"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${imageNames.pause}"
  netns_mounts_under_state_dir = true
  # Lowering a container's score needs CAP_SYS_RESOURCE, which root lacks on many build machines.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = "${join(runRoot, "runc")}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${statePath("cni")}"
`;

/** Point-to-point links: every packet is routed, so services work without bridge filtering, and no bridge is left. */
const podNetwork = {
  cniVersion: "0.4.0",
  name: cniNetworkName,
  plugins: [
    {
      type: "ptp",
      ipMasq: false,
      ipam: {
        type: "host-local",
        dataDir: statePath("pod-addresses"),
        ranges: [[{ subnet: network.pods }]],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    },
  ],
};

export const startContainerd = async (run: Run): Promise<void> => {
  const file = statePath("containerd.toml");
  await mkdir(statePath("cni"), { recursive: true });
  await mkdir(runRoot, { recursive: true });
  await keepFile(statePath("cni", "10-holdfast.conflist"), JSON.stringify(podNetwork));
  await keepFile(file, containerdConfiguration());
  const spec: ProcessSpec = {
    name: "containerd",
    program: "containerd",
    args: ["--config", file],
    configuration: containerdConfiguration(),
  };
  const answers = async (): Promise<boolean> => {
    await command("ctr", ["--address", containerdSocket, "--timeout", "2s", "version"], { signal: run.signal });
    return true;
  };
  await ensureHealthy(spec, answers, run);
};

const kubeletConfiguration = (): object => ({
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  address: network.node,
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: certificatePath("ca") },
  },
  authorization: { mode: "Webhook" },
  tlsCertFile: certificatePath("kubelet-server"),
  tlsPrivateKeyFile: keyPath("kubelet-server"),
  containerRuntimeEndpoint: `unix://${containerdSocket}`,
  cgroupDriver: "cgroupfs",
  cgroupRoot,
  failCgroupV1: false,
  failSwapOn: false,
  oomScoreAdj: 0,
  clusterDNS: [network.node],
  clusterDomain: "cluster.local",
  resolvConf: statePath("resolv.conf"),
  podLogsDir: statePath("pod-logs"),
  volumePluginDir: volumePlugins(),
  // Tests change Secrets and wait for pods to see them.
  syncFrequency: "10s",
  evictionHard: { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
  imageGCHighThresholdPercent: 100,
  makeIPTablesUtilChains: false,
  logging: { verbosity: 0 },
});

const startKubelet = async (tools: Tools, run: Run): Promise<void> => {
  const file = statePath("kubelet.json");
  const configuration = JSON.stringify(kubeletConfiguration());
  await makeCgroupRoot();
  await mkdir(statePath("pod-logs"), { recursive: true });
  await keepFile(statePath("resolv.conf"), `nameserver ${network.node}\n`);
  await keepFile(file, configuration);
  const spec: ProcessSpec = {
    name: "kubelet",
    program: join(tools.kubernetes, "kubelet"),
    args: [
      `--kubeconfig=${kubeconfigPath("kubelet")}`,
      `--config=${file}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${network.node}`,
      `--root-dir=${statePath("kubelet")}`,
      "--housekeeping-interval=30s",
    ],
    configuration,
  };
  await ensureHealthy(spec, () => isOk("http://127.0.0.1:10248/healthz", run), run);
};

const startKubeProxy = async (tools: Tools, run: Run): Promise<void> => {
  const file = statePath("kube-proxy.json");
  const configuration = JSON.stringify({
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    clientConnection: { kubeconfig: kubeconfigPath("kube-proxy") },
    mode: "iptables",
    clusterCIDR: network.pods,
    hostnameOverride: nodeName,
    oomScoreAdj: 0,
    // Connection tracking is the machine's business.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
    iptables: { localhostNodePorts: false },
    nodePortAddresses: [`${network.node}/32`],
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
  });
  await keepFile(file, configuration);
  const spec: ProcessSpec = {
    name: "kube-proxy",
    program: join(tools.kubernetes, "kube-proxy"),
    args: [`--config=${file}`],
    configuration,
  };
  await ensureHealthy(spec, () => isOk("http://127.0.0.1:10256/livez", run), run);
};

const isOk = async (url: string, run: Run): Promise<boolean> =>
  (await fetch(url, { signal: AbortSignal.any([run.signal, AbortSignal.timeout(2000)]) })).ok;

interface Node extends KubeObject {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

export const nodeIsReady = async (api: KubeApi, run: Run): Promise<boolean> => {
  const node = await api.find<Node>(`/api/v1/nodes/${nodeName}`, { signal: run.signal });
  return node?.status.conditions.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
};

/** Needs an API that answers and containerd. */
export const startNode = async (tools: Tools, api: KubeApi, run: Run): Promise<void> => {
  await Promise.all([startKubelet(tools, run), startKubeProxy(tools, run)]);
  await until("the node to be Ready", () => nodeIsReady(api, run), { signal: run.signal, timeoutMs: 60_000 });
};
