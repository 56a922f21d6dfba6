// An S3 repository of a Stanza as a store of ours, for what we look at ourselves: the preflight. pgBackRest reads and writes
// the repository; both speak to the same endpoint with the same keys and the same trust.
import type { StoreConfig } from "#store/config.ts";
import type { RepositoryCredentials, S3Repository } from "./config.ts";

/** The store's root is the path of the repository. */
export function storeConfigOf(
  repository: S3Repository,
  { accessKeyId, secretAccessKey }: RepositoryCredentials = {},
): StoreConfig {
  const { bucket, path, endpoint, region, uriStyle = "host", verifyTls, ca } = repository;
  const prefix = path.replaceAll(/^\/+|\/+$/g, "");
  return {
    provider: "s3",
    bucket,
    prefix: prefix === "" ? "" : `${prefix}/`,
    endpoint: /^https?:\/\//.test(endpoint) ? endpoint.replace(/\/$/, "") : `https://${endpoint}`,
    addressing: uriStyle,
    region,
    verifyTls,
    ...(ca !== undefined && { ca }),
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined
        ? { kind: "ambient" }
        : { kind: "keys", accessKeyId, secretAccessKey },
    transfer: {},
    wal: { compression: "none", maxParallel: 1 },
    data: { compression: "none", jobs: 1, immediateCheckpoint: false },
  };
}
