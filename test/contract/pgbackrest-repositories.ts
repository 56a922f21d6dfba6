// The repositories of a test's stanza: in MinIO or in Azurite; what pgBackRest by hand is told of each, in variables of our
// writing, and the same for the product's own code.
import { openStore } from "#store/open.ts";
import type { RepositoryConfig, RepositoryCredentials } from "#repository/pgbackrest/config.ts";
import { blobsUnder, type TestObjects } from "./azure-client.ts";
import type { Azurite } from "./azurite.ts";
import { minioRegion, type Minio } from "./minio.ts";

interface Somewhere {
  /** In the bucket or container; begins with a slash. */
  readonly path: string;
  readonly passphrase?: string;
}

export interface TestRepository extends Somewhere {
  readonly minio: Minio;
}

export interface AzureTestRepository extends Somewhere {
  readonly azurite: Azurite;
  /** A shared access signature; the account's key when absent. */
  readonly sas?: string;
}

export type AnyTestRepository = TestRepository | AzureTestRepository;

/** Without the file of its authority. */
export const variablesOf = (repository: AnyTestRepository): Readonly<Record<string, string>> => ({
  PATH: repository.path,
  STORAGE_VERIFY_TLS: "y",
  ...("azurite" in repository ? azureVariables(repository) : s3Variables(repository)),
  ...(repository.passphrase !== undefined && { CIPHER_TYPE: "aes-256-cbc", CIPHER_PASS: repository.passphrase }),
});

const azureVariables = ({ azurite, sas }: AzureTestRepository) => ({
  TYPE: "azure",
  AZURE_ACCOUNT: azurite.account,
  AZURE_CONTAINER: azurite.container,
  AZURE_ENDPOINT: azurite.endpoint,
  AZURE_URI_STYLE: "path",
  AZURE_KEY_TYPE: sas === undefined ? "shared" : "sas",
  AZURE_KEY: sas ?? azurite.key,
});

function s3Variables(repository: TestRepository) {
  const { accessKeyId, secretAccessKey } = keysOf(repository);
  return {
    TYPE: "s3",
    S3_BUCKET: repository.minio.config().bucket,
    S3_ENDPOINT: repository.minio.endpoint,
    S3_REGION: minioRegion,
    S3_URI_STYLE: "path",
    S3_KEY: accessKeyId,
    S3_KEY_SECRET: secretAccessKey,
  };
}

/** PEM; empty when it is not behind TLS. */
export const authorityOf = (repository: AnyTestRepository): string =>
  ("azurite" in repository ? repository.azurite.ca : repository.minio.ca) ?? "";

export function configOf(repository: AnyTestRepository, key: number): RepositoryConfig {
  const { path } = repository;
  const ca = authorityOf(repository);
  const shared = { key, path, verifyTls: true, uriStyle: "path", ...(ca !== "" && { ca }) } as const;
  if ("azurite" in repository) {
    const { container, endpoint } = repository.azurite;
    return { type: "azure", container, endpoint, keyType: repository.sas === undefined ? "shared" : "sas", ...shared };
  }
  const { minio } = repository;
  return { type: "s3", bucket: minio.config().bucket, endpoint: minio.endpoint, region: minioRegion, ...shared };
}

export const credentialsOf = (repository: AnyTestRepository): RepositoryCredentials => ({
  ...("azurite" in repository
    ? { account: repository.azurite.account, accountKey: repository.sas ?? repository.azurite.key }
    : keysOf(repository)),
  ...(repository.passphrase !== undefined && { passphrase: repository.passphrase }),
});

function keysOf({ minio }: TestRepository) {
  const { credentials } = minio.config();
  if (credentials.kind !== "keys") throw new Error("MinIO was started with keys");
  const { accessKeyId, secretAccessKey } = credentials;
  return { accessKeyId, secretAccessKey };
}

/** Its objects, to look at and to spoil; `close` frees connections. */
export async function objectsOf(repository: AnyTestRepository): Promise<TestObjects & { close(): void }> {
  if ("minio" in repository) return openStore(repository.minio.config({ prefix: `${repository.path.slice(1)}/` }));
  const { azurite, path } = repository;
  return { ...blobsUnder(azurite, azurite.container, path), close: () => undefined };
}
