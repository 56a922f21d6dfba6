// Names, addresses and test credentials of the cluster. Versions stand in go/*/go.mod; this file reads them from there.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ClusterError } from "./errors.ts";
import { goRoot } from "./paths.ts";

/** Everything lives in 10.231.0.0/16: the node's own address, then pods, then services. */
export const network = {
  device: "holdfast0",
  node: "10.231.0.1",
  all: "10.231.0.0/16",
  pods: "10.231.64.0/18",
  services: "10.231.128.0/17",
  /** First address of `services`: Kubernetes gives it to `kubernetes.default`. */
  apiService: "10.231.128.1",
  apiPort: 6443,
  storePort: 9000,
  storeTlsPort: 9443,
} as const;

export const apiServerUrl = `https://${network.node}:${network.apiPort}`;
export const nodeName = "node";

/** These open a throw-away store on a private bridge and nothing else. */
export const store = {
  accessKeyId: "holdfast",
  secretAccessKey: "holdfast-test-secret",
  bucket: "backups",
} as const;

/** The version that go/<folder>/go.mod pins for a Go module, without its "v". */
const pinnedVersion = (folder: string, module: string): string => {
  const text = readFileSync(join(goRoot, folder, "go.mod"), "utf8");
  const found = new RegExp(`^(?:require)?\\s*${RegExp.escape(module)} v(\\S+)`, "m").exec(text)?.[1];
  if (found === undefined) throw new ClusterError("Machine", `no version of ${module} in go/${folder}/go.mod`);
  return found;
};

export const versions = {
  kubernetes: pinnedVersion("kubernetes", "k8s.io/kubernetes"),
  etcd: pinnedVersion("kubernetes", "go.etcd.io/etcd/server/v3"),
  coredns: pinnedVersion("kubernetes", "github.com/coredns/coredns"),
  cnpg: pinnedVersion("cnpg", "github.com/cloudnative-pg/cloudnative-pg"),
  minio: pinnedVersion("minio", "github.com/minio/minio"),
  barman: "3.19.1",
} as const;

/** CNPG reads PostgreSQL's major version from the operand image's tag. */
export const imageNames = {
  pause: "docker.io/holdfast/pause:1",
  cnpg: `docker.io/holdfast/cloudnative-pg:${versions.cnpg}`,
  postgres15: "docker.io/holdfast/postgresql:15",
  postgres17: "docker.io/holdfast/postgresql:17",
  application: "docker.io/holdfast/holdfast",
  applicationBase: "docker.io/holdfast/base",
} as const;

/** The architecture as Go, Debian and container images call it. */
export const architecture = process.arch === "x64" ? "amd64" : process.arch;

/** The PATH of the cluster's processes and containers. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
