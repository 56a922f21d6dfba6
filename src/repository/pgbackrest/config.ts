// One stanza, ready to be used: what a Stanza and its Secrets say, as one plain value. It holds credentials, so it is never
// logged.
import type { Stanza } from "#api/gen/stanza.ts";

export type StanzaSpec = Stanza["spec"];
export type RetentionPolicy = NonNullable<
  NonNullable<StanzaSpec["stanzaConfiguration"]["s3Repositories"]>[number]["retentionPolicy"]
>;

interface AnyRepository {
  /** pgBackRest's number of it, from 1. */
  readonly key: number;
  /** Begins with a slash. */
  readonly path: string;
  readonly uriStyle?: "host" | "path";
  readonly verifyTls: boolean;
  /** Certificates (PEM) that replace the well-known authorities. */
  readonly ca?: string;
  readonly retention?: RetentionPolicy;
}

export interface S3Repository extends AnyRepository {
  readonly type: "s3";
  readonly bucket: string;
  /** Host, or URL with port. */
  readonly endpoint: string;
  readonly region: string;
}

export interface AzureRepository extends AnyRepository {
  readonly type: "azure";
  readonly container: string;
  readonly endpoint?: string;
  readonly keyType: "shared" | "sas" | "auto";
}

export type RepositoryConfig = S3Repository | AzureRepository;

/** In the order of the repositories; what is absent is asked of the pod's surroundings. */
export interface RepositoryCredentials {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly account?: string;
  readonly accountKey?: string;
  /** Of aes-256-cbc; the repository is not encrypted when absent. */
  readonly passphrase?: string;
}

export interface StanzaConfig {
  readonly stanza: string;
  readonly repositories: readonly RepositoryConfig[];
  readonly credentials: { readonly kind: "repositories"; readonly each: readonly RepositoryCredentials[] };
  readonly processMax: number;
  readonly archive: {
    readonly async: boolean;
    readonly pushQueueMax?: string;
    readonly pushQueueBytes?: number;
    /** In bytes. */
    readonly getQueueBytes: number;
  };
  readonly compression?: { readonly type?: string; readonly level?: number };
  readonly startFast: boolean;
  readonly delta: boolean;
  readonly logLevel: string;
  readonly backup: { readonly fullEveryDays: number; readonly chainMax: number };
  /** Further options as variables. */
  readonly variables: Readonly<Record<string, string>>;
}

/** "s3://bucket/path" or "azure://container/path", for messages. */
export const locationOfRepository = (repository: RepositoryConfig): string =>
  repository.type === "s3"
    ? `s3://${repository.bucket}${repository.path}`
    : `azure://${repository.container}${repository.path}`;
