// pgbackrest as an administrator would run it by hand, on this machine, with variables written out here and not by the
// product: whoever leaves it must be able to go on with the repository.
import { join } from "node:path";
import { command } from "../cluster/command.ts";
import { clusterEnvironment } from "../cluster/env.ts";
import { store } from "../cluster/settings.ts";

export interface RepositoryByHand {
  readonly stanza: string;
  /** repo1-path */
  readonly path: string;
  readonly passphrase?: string;
}

export type ByHand = (name: string, options: readonly string[], pgdata: string) => Promise<string>;

/** pgbackrest 2.45, with the one repository as its first. */
export function pgbackrestByHand({ stanza, path, passphrase }: RepositoryByHand): ByHand {
  const cluster = clusterEnvironment();
  return (name, options, pgdata) => {
    const env = {
      PATH: process.env["PATH"],
      PGBACKREST_CONFIG: "/dev/null",
      PGBACKREST_STANZA: stanza,
      PGBACKREST_PG1_PATH: pgdata,
      PGBACKREST_LOG_LEVEL_FILE: "off",
      PGBACKREST_LOCK_PATH: `${pgdata}.lock`,
      PGBACKREST_REPO1_TYPE: "s3",
      PGBACKREST_REPO1_PATH: path,
      PGBACKREST_REPO1_S3_BUCKET: store.bucket,
      PGBACKREST_REPO1_S3_ENDPOINT: cluster.HOLDFAST_S3_TLS_ENDPOINT,
      PGBACKREST_REPO1_S3_REGION: "us-east-1",
      PGBACKREST_REPO1_S3_URI_STYLE: "path",
      PGBACKREST_REPO1_S3_KEY: store.accessKeyId,
      PGBACKREST_REPO1_S3_KEY_SECRET: store.secretAccessKey,
      PGBACKREST_REPO1_STORAGE_CA_FILE: cluster.HOLDFAST_S3_CA,
      ...(passphrase !== undefined && {
        PGBACKREST_REPO1_CIPHER_TYPE: "aes-256-cbc",
        PGBACKREST_REPO1_CIPHER_PASS: passphrase,
      }),
    };
    const program = join(cluster.HOLDFAST_PGBACKREST_2_45, "pgbackrest");
    return command(program, [name, ...options], { env, signal: AbortSignal.timeout(180_000) });
  };
}
