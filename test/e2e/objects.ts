// Which objects stand below a folder of the cluster's bucket, asked of the store itself and not of the operator.
import { openStore } from "#store/open.ts";
import { clusterEnvironment } from "../cluster/env.ts";
import { store as bucket } from "../cluster/settings.ts";

/** By key below the folder: size and time of the last change, so that a replaced object differs. */
export async function objectsUnder(folder: string, prefix: string): Promise<ReadonlyMap<string, string>> {
  const store = await openStore({
    provider: "s3",
    bucket: bucket.bucket,
    prefix: `${folder}/`,
    endpoint: clusterEnvironment().HOLDFAST_S3_ENDPOINT,
    credentials: { kind: "keys", accessKeyId: bucket.accessKeyId, secretAccessKey: bucket.secretAccessKey },
    transfer: {},
    wal: { compression: "none", maxParallel: 1 },
    data: { compression: "none", jobs: 1, immediateCheckpoint: false },
  });
  try {
    const found = new Map<string, string>();
    for await (const entry of store.list(prefix, { signal: AbortSignal.timeout(30_000) })) {
      if (entry.kind === "object") found.set(entry.key, `${entry.size} ${entry.lastModified.toISOString()}`);
    }
    return found;
  } finally {
    store.close();
  }
}
