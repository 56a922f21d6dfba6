// The object storage port: flat keys under one bucket and prefix, no knowledge of PostgreSQL. Every driver passes the
// same contract suite (test/contract/store.suite.ts). An aborted signal never leaves a half-written object behind.
import type { Readable } from "node:stream";
import type { CallOptions } from "./call.ts";
import type { StoreProbe } from "./probe.ts";

export type { CallOptions };

/** One stored object as a listing shows it; `size` in bytes. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly lastModified: Date;
}

/** A page entry: an object, or with `delimiter` a common prefix ending in "/". */
export type ListEntry =
  | ({ readonly kind: "object" } & ListedObject)
  | { readonly kind: "prefix"; readonly prefix: string };

export interface ObjectHead extends ListedObject {
  /** User metadata, keys in lower case without the provider's prefix. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ObjectContent extends ObjectHead {
  /** The body, or the asked range of it. Destroying it frees the connection. */
  readonly body: Readable;
}

export type ServerSideEncryption = "AES256" | "aws:kms";

export interface PutOptions extends CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Object tags, where the provider has them. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Server-side encryption to ask for; the bucket's own default when absent. */
  readonly encryption?: ServerSideEncryption;
  /** Never replace an object: throws StoreError "AlreadyExists" when the key is taken. */
  readonly ifAbsent?: boolean;
}

export interface WholePutOptions extends PutOptions {
  /** SHA-256 of `body` in hexadecimal where the caller has it already; saves computing it again over plain HTTP. */
  readonly sha256?: string;
}

export interface UploadOptions extends PutOptions {
  /** How many parts may be on their way at once; the iterable is not pulled further ahead than this. */
  readonly parallel: number;
}

export interface GetOptions extends CallOptions {
  /** Bytes `start` up to and including `end`; clipped at the end of the object, "Corrupt" when `start` is not before it. */
  readonly range?: { readonly start: number; readonly end: number };
}

export interface ListOptions extends CallOptions {
  readonly delimiter?: "/";
  /** Only keys after this one, in the store's byte order. */
  readonly startAfter?: string;
}

export interface ObjectStore {
  /** Where this is, for messages: "s3://bucket/prefix". Never holds a credential. */
  readonly location: string;
  /** Whether `ifAbsent` is atomic at the provider. When false the driver asks first and then puts. */
  readonly conditionalPut: boolean;
  /** What else can be asked of the provider, for the preflight; absent where there is no provider. */
  readonly probe?: StoreProbe;

  /**
   * Stores `body` whole; durable when it resolves. With `ifAbsent`, "AlreadyExists" may be about an earlier try of this
   * same call whose answer was lost: compare the contents.
   */
  put(key: string, body: Uint8Array, options: WholePutOptions): Promise<void>;

  /**
   * Stores a body of unknown length from parts of at least 5 MiB each (the last may be shorter), in order. Several are on
   * their way at once, so a part must not be changed once it has been handed over.
   * On any failure or abort the unfinished upload is removed at the provider. Resolves to the number of bytes stored.
   */
  upload(key: string, parts: AsyncIterable<Uint8Array>, options: UploadOptions): Promise<number>;

  /** Opens an object; throws StoreError "NotFound" when it is not there. A truncated body is an error, never a short read. */
  get(key: string, options: GetOptions): Promise<ObjectContent>;

  /** Metadata only; undefined when the object is proven absent (a missing bucket or refused access throws). */
  head(key: string, options: CallOptions): Promise<ObjectHead | undefined>;

  /** Entries under `prefix` in byte order of their keys, page by page. */
  list(prefix: string, options: ListOptions): AsyncIterable<ListEntry>;

  /** Removes the keys; a key that is not there is no error. */
  delete(keys: readonly string[], options: CallOptions): Promise<void>;

  /** Frees connections. Calls after this throw. */
  close(): void;
}
