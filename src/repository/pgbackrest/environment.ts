// The variables that tell pgBackRest what a Stanza says. Variables and no file or arguments: its secrets are then neither
// on disk nor in the list of processes. Pure. Names and forms are those of pgBackRest's configuration reference:
// PGBACKREST_ and the option in capitals, y and n for booleans.
import type { AzureRepository, RepositoryConfig, RepositoryCredentials, S3Repository, StanzaConfig } from "./config.ts";

/** Where pgBackRest works: paths that it may write to, and the database beside it, if there is one. */
export interface Surroundings {
  /** Folder of lock files; those who work on one database use the same. */
  readonly lockPath: string;
  readonly spoolPath?: string;
  readonly database?: { readonly pgdata: string; readonly socketDirectory: string; readonly port: number };
  /** Files with the certificates of each repository's `ca`, by its key. */
  readonly caFiles: ReadonlyMap<number, string>;
}

type Variables = Readonly<Record<string, string>>;

/** What a user sets by customEnvVar comes first, and may name nothing that follows: see options.ts. */
export function environmentOf(config: StanzaConfig, surroundings: Surroundings): Variables {
  const { database, spoolPath } = surroundings;
  return {
    ...config.variables,
    // No file of the image's counts.
    PGBACKREST_CONFIG: "/dev/null",
    PGBACKREST_STANZA: config.stanza,
    PGBACKREST_LOCK_PATH: surroundings.lockPath,
    PGBACKREST_LOG_LEVEL_FILE: "off",
    PGBACKREST_LOG_LEVEL_STDERR: "error",
    PGBACKREST_LOG_TIMESTAMP: "n",
    PGBACKREST_PROCESS_MAX: String(config.processMax),
    PGBACKREST_START_FAST: flag(config.startFast),
    PGBACKREST_DELTA: flag(config.delta),
    ...(config.archive.pushQueueMax !== undefined && {
      PGBACKREST_ARCHIVE_PUSH_QUEUE_MAX: config.archive.pushQueueMax,
    }),
    ...(config.compression?.type !== undefined && { PGBACKREST_COMPRESS_TYPE: config.compression.type }),
    ...(config.compression?.level !== undefined && { PGBACKREST_COMPRESS_LEVEL: String(config.compression.level) }),
    ...(spoolPath !== undefined && { PGBACKREST_SPOOL_PATH: spoolPath }),
    ...(database && {
      PGBACKREST_PG1_PATH: database.pgdata,
      PGBACKREST_PG1_SOCKET_PATH: database.socketDirectory,
      PGBACKREST_PG1_PORT: String(database.port),
      PGBACKREST_PG1_USER: "postgres",
    }),
    ...Object.assign(
      {},
      ...config.repositories.map((repository, index) =>
        prefixed(`PGBACKREST_REPO${repository.key}_`, {
          ...sharedOf(repository, surroundings),
          ...(repository.type === "s3"
            ? s3Of(repository, config.credentials.each[index])
            : azureOf(repository, config.credentials.each[index])),
        }),
      ),
    ),
  };
}

const flag = (value: boolean): string => (value ? "y" : "n");

const prefixed = (prefix: string, variables: Readonly<Record<string, string | undefined>>): Variables =>
  Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) =>
      value === undefined ? [] : [[prefix + name, value] as const],
    ),
  );

function sharedOf({ key, path, verifyTls, retention = {} }: RepositoryConfig, { caFiles }: Surroundings) {
  const number = (value: number | undefined): string | undefined => (value === undefined ? undefined : String(value));
  return {
    PATH: path,
    STORAGE_VERIFY_TLS: flag(verifyTls),
    STORAGE_CA_FILE: caFiles.get(key),
    RETENTION_FULL: number(retention.full),
    RETENTION_FULL_TYPE: retention.fullType,
    RETENTION_DIFF: number(retention.diff),
    RETENTION_ARCHIVE: number(retention.archive),
    RETENTION_ARCHIVE_TYPE: retention.archiveType,
    RETENTION_HISTORY: number(retention.history),
  };
}

const s3Of = (
  { bucket, endpoint, region, uriStyle }: S3Repository,
  { accessKeyId, secretAccessKey, passphrase }: RepositoryCredentials = {},
) => ({
  TYPE: "s3",
  S3_BUCKET: bucket,
  S3_ENDPOINT: endpoint,
  S3_REGION: region,
  S3_URI_STYLE: uriStyle,
  S3_KEY_TYPE: accessKeyId === undefined ? "auto" : "shared",
  S3_KEY: accessKeyId,
  S3_KEY_SECRET: secretAccessKey,
  ...cipherOf(passphrase),
});

const azureOf = (
  { container, endpoint, keyType, uriStyle }: AzureRepository,
  { account, accountKey, passphrase }: RepositoryCredentials = {},
) => ({
  TYPE: "azure",
  AZURE_ACCOUNT: account,
  AZURE_CONTAINER: container,
  AZURE_ENDPOINT: endpoint,
  AZURE_KEY_TYPE: keyType,
  AZURE_KEY: accountKey,
  AZURE_URI_STYLE: uriStyle,
  ...cipherOf(passphrase),
});

const cipherOf = (passphrase: string | undefined) =>
  passphrase === undefined ? {} : { CIPHER_TYPE: "aes-256-cbc", CIPHER_PASS: passphrase };
