// The object store: MinIO over plain HTTP. The agent (agent.ts) puts TLS in front of it.
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Tools } from "./build-go.ts";
import { certificatePath, statePath } from "./paths.ts";
import { ensureHealthy } from "./processes.ts";
import type { Run } from "./run.ts";
import { network, store } from "./settings.ts";

export const storeUrl = `http://${network.node}:${network.storePort}`;
export const storeTlsUrl = `https://${network.node}:${network.storeTlsPort}`;
export const storeAuthority = (): string => certificatePath("store-ca");

/** A fixed key makes server-side encryption (AES256, aws:kms) work; it protects nothing here. */
const encryptionKey = createHash("sha256").update("holdfast test store").digest("base64");

export const storeIsHealthy = async (run: Run): Promise<boolean> => {
  const signal = AbortSignal.any([run.signal, AbortSignal.timeout(2000)]);
  return (await fetch(`${storeUrl}/minio/health/live`, { signal })).ok;
};

export const startStore = async (tools: Tools, run: Run): Promise<void> => {
  // A folder at the top of the data is a bucket.
  await mkdir(statePath("minio", store.bucket), { recursive: true });
  const spec = {
    name: "minio" as const,
    program: join(tools.minio, "minio"),
    args: ["server", statePath("minio"), `--address=${network.node}:${network.storePort}`, "--quiet"],
    env: {
      MINIO_ROOT_USER: store.accessKeyId,
      MINIO_ROOT_PASSWORD: store.secretAccessKey,
      MINIO_KMS_SECRET_KEY: `holdfast:${encryptionKey}`,
      MINIO_BROWSER: "off",
      MINIO_UPDATE: "off",
      MINIO_SCANNER_SPEED: "slowest",
    },
  };
  await ensureHealthy(spec, () => storeIsHealthy(run), run);
};
