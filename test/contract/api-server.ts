// A Kubernetes API server of its own for a contract test: etcd and kube-apiserver on free ports of this machine, in a
// temporary folder. Programs come from the cluster harness' cache (`npm run cluster -- build` fills it). No node, no
// controllers: objects are only stored, validated and watched.
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issueAuthority, issueLeaf } from "#kube/pki/issue.ts";
import { toolFolders } from "../cluster/build-go.ts";

export interface ApiServer {
  readonly host: string;
  readonly port: number;
  /** A kubeconfig (text) of the user; "admin" may do everything, "nobody" nothing, "stranger" is not known at all. */
  kubeconfig(user: User, port?: number): string;
  /** A folder like the one that is mounted in pods: token and ca.crt. */
  readonly accountFolder: string;
  /** The kubectl of the same build. */
  readonly kubectl: string;
  /** Forgets every revision of etcd but the newest. */
  compact(): Promise<void>;
  /** Kills the API server and starts it again on the same data and port; its watch caches are empty then. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

type User = "admin" | "nobody" | "stranger";
const tokens: Record<User, string> = { admin: "test-admin", nobody: "test-nobody", stranger: "test-stranger" };
const startLimitMs = 60_000;

export async function startApiServer(): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-api-"));
  const tools = toolFolders();
  const [etcdPort = 0, peerPort = 0, port = 0] = await freePorts(3);
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const host = "localhost";
  const ca = await writeFiles(folder, host);

  const etcd = await run(folder, join(tools.etcd, "etcd"), [
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ]);
  const startApi = (): Promise<ChildProcess> =>
    run(folder, join(tools.kubernetes, "kube-apiserver"), [
      `--etcd-servers=${etcdUrl}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--tls-cert-file=${folder}/server.crt`,
      `--tls-private-key-file=${folder}/server.key`,
      `--token-auth-file=${folder}/tokens.csv`,
      "--authorization-mode=RBAC",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${folder}/accounts.key`,
      `--service-account-signing-key-file=${folder}/accounts.key`,
      "--service-cluster-ip-range=10.0.0.0/24",
      "--endpoint-reconciler-type=none",
      "--disable-admission-plugins=ServiceAccount",
    ]);
  const isReady = (): Promise<boolean> =>
    new Promise((resolve) => {
      const headers = { authorization: `Bearer ${tokens.admin}` };
      const asked = request({ host, port, ca, headers, path: "/readyz", agent: false, timeout: 2000 }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      });
      asked.on("error", () => resolve(false)).on("timeout", () => asked.destroy());
      asked.end();
    });
  const started = async (): Promise<ChildProcess> => {
    const child = await startApi();
    await waitUntil(
      "the api server is ready",
      () => child.exitCode === null && isReady(),
      join(folder, "kube-apiserver.log"),
    );
    return child;
  };

  let api = await started();
  return {
    host,
    port,
    accountFolder: folder,
    kubectl: join(tools.kubernetes, "kubectl"),
    kubeconfig: (user, at = port) =>
      JSON.stringify({
        clusters: [
          {
            name: "test",
            cluster: {
              server: `https://${host}:${at}`,
              "certificate-authority-data": Buffer.from(ca).toString("base64"),
            },
          },
        ],
        users: [{ name: user, user: { token: tokens[user] } }],
        contexts: [{ name: "test", context: { cluster: "test", user, namespace: "default" } }],
        "current-context": "test",
      }),
    async compact() {
      const latest = await etcdCall(etcdUrl, "kv/range", { key: Buffer.from("/").toString("base64") });
      await etcdCall(etcdUrl, "kv/compaction", { revision: latest.header.revision, physical: true });
    },
    async restart() {
      await kill(api);
      api = await started();
    },
    async stop() {
      await kill(api);
      await kill(etcd);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Polls every 50 ms; fails after a minute, with the end of `logFile` if there is one. */
export async function waitUntil(
  what: string,
  check: () => boolean | Promise<boolean>,
  logFile?: string,
): Promise<void> {
  const deadline = performance.now() + startLimitMs;
  while (!(await check())) {
    if (performance.now() > deadline) {
      const log = logFile === undefined ? "" : (await readFile(logFile, "utf8")).slice(-3000);
      throw new Error(`not within a minute: ${what}\n${log}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function writeFiles(folder: string, host: string): Promise<string> {
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) };
  const authority = await issueAuthority(validity);
  const server = await issueLeaf(authority, { ...validity, usage: "server", dnsNames: [host] });
  const accounts = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const files: Record<string, string | Buffer> = {
    "ca.crt": authority.certificate,
    token: `${tokens.admin}\n`,
    "server.crt": server.certificate,
    "server.key": server.key,
    "accounts.key": accounts.export({ type: "sec1", format: "pem" }),
    "tokens.csv": `${tokens.admin},admin,1,"system:masters"\n${tokens.nobody},nobody,2\n`,
  };
  await mkdir(join(folder, "etcd"), { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 });
  return authority.certificate;
}

async function run(folder: string, program: string, args: readonly string[]): Promise<ChildProcess> {
  const log = await open(join(folder, `${program.split("/").at(-1)}.log`), "a");
  const child = spawn(program, args, { cwd: folder, stdio: ["ignore", log.fd, log.fd] });
  await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  await log.close();
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** etcd's JSON gateway to its gRPC API, version 3. */
async function etcdCall(url: string, call: string, body: object): Promise<{ header: { revision: string } }> {
  const response = await fetch(`${url}/v3/${call}`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`etcd ${call}: ${await response.text()}`);
  return (await response.json()) as { header: { revision: string } };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once("listening", resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
