// Multipart uploads of the S3 driver: parts with their checksums, and completion that knows what it has already done.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  UploadPartCommand,
  type CompletedPart,
} from "@aws-sdk/client-s3";
import { crc32Base64 } from "#codec/digest.ts";
import type { PartUpload } from "./driver.ts";
import { StoreError } from "./errors.ts";
import { isNoSuchUpload } from "./s3-errors.ts";
import { hashed, payloadHashOf, translating, writeFields, type S3Place } from "./s3-request.ts";
import type { CallOptions, PutOptions } from "./store.ts";

interface Upload {
  readonly place: S3Place;
  readonly target: { readonly Bucket: string; readonly Key: string; readonly UploadId: string };
  readonly ifAbsent: boolean;
  readonly parts: Map<number, { readonly part: CompletedPart; readonly bytes: number }>;
  /** A try to complete it may have succeeded without an answer. */
  completing: boolean;
}

export async function beginUpload(place: S3Place, key: string, options: PutOptions): Promise<PartUpload> {
  const object = { Bucket: place.bucket, Key: place.prefix + key };
  const input = { ...object, ChecksumAlgorithm: "CRC32" as const, ...writeFields(options) };
  const { UploadId } = await place.client.send(new CreateMultipartUploadCommand(input), {
    abortSignal: options.signal,
  });
  if (UploadId === undefined)
    throw new StoreError("Unavailable", `begin upload of ${nameOf(object)}: no upload id came`);
  const upload: Upload = {
    place,
    target: { ...object, UploadId },
    ifAbsent: options.ifAbsent === true,
    parts: new Map(),
    completing: false,
  };
  return {
    putPart: (number, body, call) =>
      translating(`put part ${number} of ${nameOf(object)}`, call, () => putPart(upload, number, body, call)),
    complete: (call) => translating(`complete upload of ${nameOf(object)}`, call, () => complete(upload, call)),
    abort: (call) => translating(`abort upload of ${nameOf(object)}`, call, () => abort(upload, call)),
  };
}

const nameOf = ({ Bucket, Key }: { readonly Bucket: string; readonly Key: string }): string => `s3://${Bucket}/${Key}`;

async function putPart(upload: Upload, number: number, body: Uint8Array, { signal }: CallOptions): Promise<void> {
  const { place, target, parts } = upload;
  const checksum = crc32Base64(body);
  const input = {
    ...target,
    PartNumber: number,
    Body: body,
    ContentLength: body.byteLength,
    ChecksumCRC32: checksum,
  };
  const hash = await payloadHashOf(place, body);
  const { ETag } = await place.client.send(new UploadPartCommand(hashed(input, hash)), { abortSignal: signal });
  if (ETag === undefined) throw new StoreError("Unavailable", `put part ${number} of ${nameOf(target)}: no etag came`);
  parts.set(number, { part: { PartNumber: number, ETag, ChecksumCRC32: checksum }, bytes: body.byteLength });
}

async function complete(upload: Upload, { signal }: CallOptions): Promise<void> {
  const { place, target, parts } = upload;
  const ordered = [...parts.entries()].sort(([one], [other]) => one - other).map(([, { part }]) => part);
  const input = {
    ...target,
    MultipartUpload: { Parts: ordered },
    ...(upload.ifAbsent && { IfNoneMatch: "*" }),
  };
  try {
    const answer = await place.client.send(new CompleteMultipartUploadCommand(input), { abortSignal: signal });
    if (answer.ETag === undefined)
      throw new StoreError("Unavailable", `complete upload of ${nameOf(target)}: no etag came`);
  } catch (error) {
    if (upload.completing && isNoSuchUpload(error) && (await isStored(upload, { signal }))) return;
    upload.completing = true;
    throw error;
  }
}

/** After a lost answer the upload is gone because it was completed: then the object is there, as long as its parts. */
async function isStored({ place, target, parts }: Upload, { signal }: CallOptions): Promise<boolean> {
  const { Bucket, Key } = target;
  const { ContentLength } = await place.client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal: signal });
  return ContentLength === parts.values().reduce((sum, { bytes }) => sum + bytes, 0);
}

async function abort({ place, target }: Upload, { signal }: CallOptions): Promise<void> {
  try {
    await place.client.send(new AbortMultipartUploadCommand(target), { abortSignal: signal });
  } catch (error) {
    if (!isNoSuchUpload(error)) throw error;
  }
}
