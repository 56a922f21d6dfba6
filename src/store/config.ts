// One store, ready to be opened: what an ObjectStore and its Secrets say, as one plain value. It holds credentials, so it
// is never logged, and only the functions here compare two of them.
import { isDeepStrictEqual } from "node:util";
import type { WalCompressionName } from "#codec/compression.ts";
import type { ServerSideEncryption } from "./store.ts";

export type StoreCredentials =
  | {
      readonly kind: "keys";
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken?: string;
    }
  /** What the pod's environment offers: a role, a web identity token, the instance's metadata service. */
  | { readonly kind: "ambient" };

export interface TransferSettings {
  /** How long a connection may stay silent while an answer or more of a body is due. */
  readonly idleMs?: number;
  /** Smallest part of an upload, in bytes. */
  readonly partBytesLeast?: number;
  /** Average of what uploads may send. */
  readonly bytesPerSecondMost?: number;
  /** How many parts of one upload may be on their way at once. */
  readonly parallelMost?: number;
}

export interface WalSettings {
  readonly compression: WalCompressionName;
  readonly encryption?: ServerSideEncryption;
  /** From 1. */
  readonly maxParallel: number;
}

export interface DataSettings {
  readonly compression: "none" | "gzip";
  readonly encryption?: ServerSideEncryption;
  /** From 1; barman's default of 2 when the user says nothing. */
  readonly jobs: number;
  readonly immediateCheckpoint: boolean;
}

export interface StoreConfig {
  readonly provider: "s3";
  readonly bucket: string;
  /** Before every key: "" or a path that ends in "/". */
  readonly prefix: string;
  /** The provider's own when absent. */
  readonly endpoint?: string;
  /** How requests name the bucket at an endpoint that is given: in the path when absent. */
  readonly addressing?: "path" | "host";
  /** Kubernetes namespace in which an endpoint's host name without dots is looked up; that of this pod when absent. */
  readonly namespace?: string;
  /** What the environment or the provider says when absent. */
  readonly region?: string;
  readonly credentials: StoreCredentials;
  /** Certificates (PEM) that replace the well-known authorities. */
  readonly ca?: string;
  /** Whether the endpoint's certificate is verified: it is, when absent. */
  readonly verifyTls?: boolean;
  /** Whether the provider is known to refuse to replace an object; assumed when absent. */
  readonly conditionalPut?: boolean;
  readonly transfer: TransferSettings;
  readonly wal: WalSettings;
  readonly data: DataSettings;
  readonly tags?: Readonly<Record<string, string>>;
  readonly historyTags?: Readonly<Record<string, string>>;
}

/** "s3://bucket/path", without a slash at the end. */
export const locationOf = (config: Pick<StoreConfig, "bucket" | "prefix">): string =>
  `s3://${config.bucket}/${config.prefix}`.replace(/\/$/, "");

/** What may be kept open while its keys change: an ObjectStore's configuration, or a Stanza's. */
export interface HasCredentials {
  readonly credentials: { readonly kind: string };
}

/** Whether nothing at all differs. */
export const sameConfig = (one: HasCredentials, other: HasCredentials): boolean => isDeepStrictEqual(one, other);

/** Whether they differ at most in their keys, as after a rotation: the objects are the same ones. */
export const sameButKeys = (one: HasCredentials, other: HasCredentials): boolean =>
  isDeepStrictEqual({ ...one, credentials: one.credentials.kind }, { ...other, credentials: other.credentials.kind });

export const storeConfigErrorKinds = [
  "StoreNotFound", // there is no such ObjectStore or Stanza
  "SecretNotFound",
  "SecretKeyMissing",
  "InvalidSpec", // what the user wrote cannot work
  "Unsupported", // it could work, but not in this release
  "Unavailable", // it could not be read: the API server does not answer
] as const;
export type StoreConfigErrorKind = (typeof storeConfigErrorKinds)[number];

export class StoreConfigError extends Error {
  override readonly name = "StoreConfigError";
  readonly kind: StoreConfigErrorKind;
  /** Path of the field that it is about: "spec.configuration.s3Credentials". */
  readonly field: string | undefined;
  readonly hint: string | undefined;

  constructor(
    kind: StoreConfigErrorKind,
    message: string,
    options: { cause?: unknown; field?: string; hint?: string } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.field = options.field;
    this.hint = options.hint;
  }

  /** Whether time alone may mend it. */
  get transient(): boolean {
    return this.kind === "Unavailable";
  }
}

export const isStoreConfigError = (error: unknown, kind?: StoreConfigErrorKind): error is StoreConfigError =>
  error instanceof StoreConfigError && (kind === undefined || error.kind === kind);
