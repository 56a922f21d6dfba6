// MinIO for one test file: on a free port of this machine, by plain HTTP or TLS, its data in a temporary folder. The program
// comes from the cluster harness' cache (`npm run cluster -- build` fills it), or from HOLDFAST_MINIO.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoreConfig } from "#store/config.ts";
import { openStore } from "#store/open.ts";
import { toolFolders } from "../cluster/build-go.ts";
import { makeAuthority } from "./cnpgi-certificates.ts";

export interface Minio {
  readonly port: number;
  readonly endpoint: string;
  /** Certificate (PEM) of the authority behind the server's, with `tls` only. */
  readonly ca?: string;
  /** A store of the bucket "backups", with a prefix of its own unless `overrides` says otherwise. */
  config(overrides?: Partial<StoreConfig>): StoreConfig;
  /** Unfinished multipart uploads, by what MinIO keeps on disk for them. */
  unfinishedUploads(): Promise<number>;
  /** Takes connections and answers nothing any more, as a process under SIGSTOP does. */
  freeze(): void;
  /** Goes on where it was, with the requests that came meanwhile. */
  thaw(): void;
  stop(): Promise<void>;
}

export const minioRegion = "eu-west-3";
const keys = { kind: "keys", accessKeyId: "contract", secretAccessKey: "contract-test-secret" } as const;
const bucket = "backups";
const host = "127.0.0.1";
const startLimitMs = 30_000;

export const storeSettings: Pick<StoreConfig, "transfer" | "wal" | "data"> = {
  transfer: {},
  wal: { compression: "none", maxParallel: 1 },
  data: { compression: "none", jobs: 2, immediateCheckpoint: false },
};

export interface MinioOptions {
  /** Speaks TLS and nothing else. */
  readonly tls?: boolean;
}

export async function startMinio({ tls = false }: MinioOptions = {}): Promise<Minio> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-minio-"));
  const port = await freePort();
  const endpoint = `${tls ? "https" : "http"}://${host}:${port}`;
  const data = join(folder, "data");
  // A folder at the top of the data is a bucket.
  await mkdir(join(data, bucket), { recursive: true });
  const certificates = join(folder, "certificates");
  await mkdir(certificates);
  const ca = tls ? await writeCertificates(certificates) : undefined;
  const child = launch({ folder, data, certificates, port });
  const killWithUs = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithUs);
  const stop = async (): Promise<void> => {
    process.off("exit", killWithUs);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.kill("SIGKILL")) await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const config = (overrides: Partial<StoreConfig> = {}): StoreConfig => ({
    provider: "s3",
    bucket,
    prefix: `${randomUUID()}/`,
    endpoint,
    region: minioRegion,
    credentials: keys,
    ...(ca !== undefined && { ca }),
    ...storeSettings,
    ...overrides,
  });
  try {
    await waitUntilReady(child, config());
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    endpoint,
    ...(ca !== undefined && { ca }),
    config,
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    unfinishedUploads: async () => (await readdir(join(data, ".minio.sys", "multipart"))).length,
    stop,
  };
}

function program(): string {
  const path = process.env["HOLDFAST_MINIO"] ?? join(toolFolders().minio, "minio");
  if (!existsSync(path)) throw new Error(`no MinIO at ${path}: run "npm run cluster -- build", or set HOLDFAST_MINIO`);
  return path;
}

/** MinIO speaks TLS when it finds these two files. Gives the authority's certificate. */
async function writeCertificates(folder: string): Promise<string> {
  const authority = await makeAuthority("contract tests");
  const { certificate, key } = await authority.issue("server", host);
  await writeFile(join(folder, "public.crt"), certificate);
  await writeFile(join(folder, "private.key"), key);
  return authority.certificate;
}

interface Launch {
  readonly folder: string;
  readonly data: string;
  readonly certificates: string;
  readonly port: number;
}

/** The fixed key makes server-side encryption (AES256, aws:kms) work; it protects nothing here. */
function launch({ folder, data, certificates, port }: Launch): ChildProcess {
  const encryptionKey = createHash("sha256").update("holdfast contract tests").digest("base64");
  return spawn(program(), ["server", data, `--address=${host}:${port}`, `--certs-dir=${certificates}`, "--quiet"], {
    stdio: "ignore",
    env: {
      HOME: folder,
      MINIO_ROOT_USER: keys.accessKeyId,
      MINIO_ROOT_PASSWORD: keys.secretAccessKey,
      MINIO_SITE_REGION: minioRegion,
      MINIO_KMS_SECRET_KEY: `contract:${encryptionKey}`,
      MINIO_BROWSER: "off",
      MINIO_UPDATE: "off",
    },
  });
}

/** The health endpoint answers before logins work, so this asks as a client does. */
async function waitUntilReady(child: ChildProcess, config: StoreConfig): Promise<void> {
  const store = await openStore(config, { policy: { attempts: 500, firstMs: 20, maxMs: 60, totalMs: startLimitMs } });
  const ended = new AbortController();
  child.once("exit", (code) => ended.abort(new Error(`MinIO ended with code ${code}`)));
  await store.head("ready", { signal: ended.signal });
  store.close();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
