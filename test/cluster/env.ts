// What a shell or a test needs to know to use the cluster. All of it is known before the cluster is up.
import { delimiter } from "node:path";
import { barmanPrograms } from "./barman.ts";
import { storeAuthority, storeTlsUrl, storeUrl } from "./minio.ts";
import { kubeconfigPath, userPrograms } from "./paths.ts";
import { pgbackrestFolders } from "./pgbackrest.ts";
import { imageNames, store } from "./settings.ts";

export interface ClusterEnvironment {
  readonly KUBECONFIG: string;
  /** Images for `spec.imageName` of a CNPG Cluster, PostgreSQL 15 and 17. */
  readonly HOLDFAST_POSTGRES_IMAGE: string;
  readonly HOLDFAST_POSTGRES_IMAGE_17: string;
  /** URLs of one and the same store, good from pods and from this machine. */
  readonly HOLDFAST_S3_ENDPOINT: string;
  readonly HOLDFAST_S3_TLS_ENDPOINT: string;
  /** File with the authority of the TLS endpoint. */
  readonly HOLDFAST_S3_CA: string;
  readonly AWS_ACCESS_KEY_ID: string;
  readonly AWS_SECRET_ACCESS_KEY: string;
  /** Folder of the barman-cloud programs and of a `python` with their modules. */
  readonly HOLDFAST_BARMAN: string;
  /** Folders of `pgbackrest`: of the product's image (2.55), the oldest supported and Debian sid's, empty if not to be had. */
  readonly HOLDFAST_PGBACKREST: string;
  readonly HOLDFAST_PGBACKREST_2_45: string;
  readonly HOLDFAST_PGBACKREST_SID: string;
}

/**
 * Set where another cluster serves instead, as test/kind sets it up: then this process's own environment holds the
 * variables above, the embedded cluster is never started and the operator is taken as deployed.
 */
export const isExternal = process.env["HOLDFAST_EXTERNAL"] === "1";

const embedded = (): ClusterEnvironment => ({
  KUBECONFIG: kubeconfigPath("admin"),
  HOLDFAST_POSTGRES_IMAGE: imageNames.postgres15,
  HOLDFAST_POSTGRES_IMAGE_17: imageNames.postgres17,
  HOLDFAST_S3_ENDPOINT: storeUrl,
  HOLDFAST_S3_TLS_ENDPOINT: storeTlsUrl,
  HOLDFAST_S3_CA: storeAuthority(),
  AWS_ACCESS_KEY_ID: store.accessKeyId,
  AWS_SECRET_ACCESS_KEY: store.secretAccessKey,
  HOLDFAST_BARMAN: barmanPrograms(),
  HOLDFAST_PGBACKREST: pgbackrestFolders().image,
  HOLDFAST_PGBACKREST_2_45: pgbackrestFolders().oldest,
  HOLDFAST_PGBACKREST_SID: pgbackrestFolders().newest ?? "",
});

/** What another cluster does not offer is empty. */
const external = (): ClusterEnvironment => {
  const values = Object.keys(embedded()).map((name) => [name, process.env[name] ?? ""] as const);
  return Object.fromEntries(values) as unknown as ClusterEnvironment;
};

export const clusterEnvironment = (): ClusterEnvironment => (isExternal ? external() : embedded());

/** The same for a child process, with this process's environment and our programs first on the PATH. */
export const processEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  ...clusterEnvironment(),
  PATH: `${userPrograms}${delimiter}${process.env["PATH"] ?? ""}`,
});

/** Lines for `eval`. */
export const shellExports = (): string => {
  const values = Object.entries(clusterEnvironment()).map(([name, value]) => `export ${name}='${value}'\n`);
  return `${values.join("")}export PATH='${userPrograms}':"$PATH"\n`;
};
