// What requests of the S3 driver have in common: where they go, the fields of an object being written, and the headers
// that the SDK would leave out or compute more slowly.
import { createHash } from "node:crypto";
import type { S3Client } from "@aws-sdk/client-s3";
import { sha256Hex } from "#codec/digest.ts";
import { toStoreError } from "./s3-errors.ts";
import type { CallOptions, PutOptions } from "./store.ts";

/** What every request of one store needs. */
export interface S3Place {
  readonly client: S3Client;
  readonly bucket: string;
  readonly prefix: string;
  /** "s3://bucket/path" */
  readonly location: string;
  readonly plainHttp: boolean;
}

/** The caller's own abort stays what it is; everything else becomes a StoreError that says what was attempted. */
export async function translating<T>(doing: string, { signal }: CallOptions, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    signal.throwIfAborted();
    throw toStoreError(error, doing);
  }
}

const payloadHash = Symbol("payloadHash");
interface Hashed {
  readonly [payloadHash]?: string;
}

/** Carries the value of x-amz-content-sha256 past the SDK's serializer to `addHeaders`. */
export const hashed = <T extends object>(input: T, hash: string): T & Hashed => ({ ...input, [payloadHash]: hash });

/**
 * Under TLS the payload is not part of the signature: 16 MiB would cost 9 ms more and gain nothing. Over plain HTTP it is,
 * else anyone on the way could exchange it; the SDK would hash it in one piece, holding up all other work.
 */
export const payloadHashOf = async (place: S3Place, body: Uint8Array, known?: string): Promise<string> =>
  place.plainHttp ? (known ?? (await sha256Hex(body))) : "UNSIGNED-PAYLOAD";

interface WriteFields {
  Metadata?: Record<string, string>;
  Tagging?: string;
  ServerSideEncryption?: "AES256" | "aws:kms";
}

export function writeFields({ metadata, tags, encryption }: PutOptions): WriteFields {
  const fields: WriteFields = {};
  if (metadata !== undefined) fields.Metadata = { ...metadata };
  if (tags !== undefined && Object.keys(tags).length > 0) fields.Tagging = tagging(tags);
  if (encryption !== undefined) fields.ServerSideEncryption = encryption;
  return fields;
}

const tagging = (tags: Readonly<Record<string, string>>): string =>
  Object.entries(tags)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join("&");

/** Sets our headers once the request is serialized and before it is signed. */
export function addHeaders(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const request = args.request as { headers: Record<string, string>; body?: string | Uint8Array };
      const hash = (args.input as Hashed)[payloadHash];
      if (hash !== undefined) request.headers["x-amz-content-sha256"] = hash;
      // Given as a parameter, the SDK would check the answer itself, in one more pass.
      if (context.commandName === "GetObjectCommand") request.headers["x-amz-checksum-mode"] = "ENABLED";
      // Stores older than S3's own checksums insist on this one.
      if (context.commandName === "DeleteObjectsCommand" && request.body !== undefined) {
        request.headers["content-md5"] = createHash("md5").update(request.body).digest("base64");
      }
      return next(args);
    },
    { step: "build", name: "holdfastHeaders" },
  );
}
