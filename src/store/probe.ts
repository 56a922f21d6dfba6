// What a provider can be asked beyond storing objects: the preflight asks it to say where exactly a store fails. Single
// tries without retries; a failure is a StoreError.
import type { CallOptions } from "./call.ts";

export interface StoreAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** How requests name the bucket: in the path, or in the host name. */
  readonly style: "path" | "virtual-host";
  /** The endpoint that the user gave names the bucket as well, so that requests name it twice. */
  readonly bucketNamedTwice: boolean;
}

export interface BucketAnswer {
  /** Where the bucket is, if the provider says so. */
  readonly region?: string;
  /** How far the provider's clock is ahead of ours; absent when its answer has no date. */
  readonly clockAheadMs?: number;
}

export interface ObjectLock {
  readonly on: boolean;
  /** How long new objects are kept by default: "30 days, COMPLIANCE". */
  readonly retention?: string;
}

export interface StoreProbe {
  readonly address: StoreAddress;
  /** The region that requests are signed for, and whether the user chose the endpoint. */
  readonly region: string;
  readonly ownEndpoint: boolean;
  /** The host's name leads to an address. */
  resolve(options: CallOptions): Promise<void>;
  /** The port takes connections. */
  connect(options: CallOptions): Promise<void>;
  /** A TLS session is established and the certificate verified. */
  handshake(options: CallOptions): Promise<void>;
  /** Whether the port speaks TLS at all, whoever's certificate it shows. */
  speaksTls(options: CallOptions): Promise<boolean>;
  /** Whatever the provider answers, refusals included, tells this. */
  askBucket(options: CallOptions): Promise<BucketAnswer>;
  /** Whether replaced and deleted objects stay as old versions. */
  versioning(options: CallOptions): Promise<boolean>;
  objectLock(options: CallOptions): Promise<ObjectLock>;
  /**
   * Removes what a write of the key may have left beside the object: unfinished uploads and old versions. Never throws:
   * what the login may not remove is left to a lifecycle rule of the bucket.
   */
  sweep(key: string, options: CallOptions): Promise<void>;
}
