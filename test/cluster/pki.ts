// Certificates of the cluster, made once a state folder by the openssl program: one authority for Kubernetes, one for the
// store. Kubeconfigs carry their certificates inside.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { command } from "./command.ts";
import { certificatePath, keepFile, keyPath, kubeconfigPath, statePath } from "./paths.ts";
import type { Run } from "./run.ts";
import { apiServerUrl, network, nodeName } from "./settings.ts";

interface Certificate {
  readonly name: string;
  readonly authority: "ca" | "store-ca";
  readonly subject: string;
  readonly alternativeNames?: readonly string[];
}

const days = "3650";
const ellipticCurve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Users of the API server; group system:masters may do everything, the others what Kubernetes grants their names. */
const users = {
  admin: "/O=system:masters/CN=admin",
  "kube-controller-manager": "/CN=system:kube-controller-manager",
  "kube-scheduler": "/CN=system:kube-scheduler",
  "kube-proxy": "/CN=system:kube-proxy",
  kubelet: `/O=system:nodes/CN=system:node:${nodeName}`,
} as const;

const dns = (...names: string[]): readonly string[] => names.map((name) => `DNS:${name}`);
const ip = (...addresses: string[]): readonly string[] => addresses.map((address) => `IP:${address}`);

const certificates: readonly Certificate[] = [
  ...Object.entries(users).map(([name, subject]) => ({ name, subject, authority: "ca" as const })),
  {
    name: "kube-apiserver",
    authority: "ca",
    subject: "/CN=kube-apiserver",
    alternativeNames: [
      ...dns(
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
      ),
      ...ip(network.node, network.apiService, "127.0.0.1"),
    ],
  },
  {
    name: "kubelet-server",
    authority: "ca",
    subject: `/CN=${nodeName}`,
    alternativeNames: [...dns(nodeName), ...ip(network.node, "127.0.0.1")],
  },
  { name: "kubelet-client", authority: "ca", subject: "/O=system:masters/CN=kube-apiserver-kubelet-client" },
  { name: "front-proxy", authority: "ca", subject: "/CN=front-proxy" },
  {
    name: "store",
    authority: "store-ca",
    // pgBackRest compares an address with DNS names only, so the address stands among those too.
    subject: `/CN=${network.node}`,
    alternativeNames: [...ip(network.node), ...dns(network.node, "minio")],
  },
];

const openssl = (args: readonly string[], run: Run): Promise<string> =>
  command("openssl", [...args], { signal: run.signal });

const makeAuthority = async (name: string, run: Run): Promise<void> => {
  if (existsSync(certificatePath(name))) return;
  const files = ["-keyout", keyPath(name), "-out", certificatePath(name)];
  await openssl(
    ["req", "-x509", ...ellipticCurve, ...files, "-days", days, "-subj", `/CN=holdfast-cluster-${name}`],
    run,
  );
};

const makeCertificate = async (certificate: Certificate, run: Run): Promise<void> => {
  const { name, authority, subject } = certificate;
  if (existsSync(certificatePath(name))) return;
  const request = statePath("pki", `${name}.csr`);
  const extensions = statePath("pki", `${name}.ext`);
  const names = (certificate.alternativeNames ?? []).join(",");
  await writeFile(extensions, `extendedKeyUsage=serverAuth,clientAuth\n${names && `subjectAltName=${names}\n`}`);
  await openssl(["req", ...ellipticCurve, "-keyout", keyPath(name), "-out", request, "-subj", subject], run);
  const signer = ["-CA", certificatePath(authority), "-CAkey", keyPath(authority)];
  const serial = ["-set_serial", `0x${randomBytes(16).toString("hex")}`];
  const output = ["-out", certificatePath(name), "-days", days, "-extfile", extensions];
  await openssl(["x509", "-req", "-in", request, ...signer, ...serial, ...output], run);
};

/** The pair with which API server and controller manager sign and verify service account tokens. */
const makeTokenKey = async (run: Run): Promise<void> => {
  const publicKey = statePath("pki", "service-accounts.pub");
  if (existsSync(publicKey)) return;
  await openssl(["genrsa", "-out", keyPath("service-accounts"), "2048"], run);
  await openssl(["rsa", "-in", keyPath("service-accounts"), "-pubout", "-out", publicKey], run);
};

const base64 = async (file: string): Promise<string> => (await readFile(file)).toString("base64");

const writeKubeconfig = async (user: string): Promise<void> => {
  const cluster = { server: apiServerUrl, "certificate-authority-data": await base64(certificatePath("ca")) };
  const credentials = {
    "client-certificate-data": await base64(certificatePath(user)),
    "client-key-data": await base64(keyPath(user)),
  };
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "holdfast", cluster }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name: "holdfast", context: { cluster: "holdfast", user } }],
    "current-context": "holdfast",
  };
  await keepFile(kubeconfigPath(user), JSON.stringify(kubeconfig));
};

export const makeCertificates = async (run: Run): Promise<void> => {
  await mkdir(statePath("pki"), { recursive: true, mode: 0o700 });
  await mkdir(statePath("kubeconfig"), { recursive: true });
  await makeAuthority("ca", run);
  await makeAuthority("store-ca", run);
  for (const certificate of certificates) await makeCertificate(certificate, run);
  await makeTokenKey(run);
  for (const user of Object.keys(users)) await writeKubeconfig(user);
};
