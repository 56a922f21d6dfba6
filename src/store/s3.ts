// The driver for Amazon S3 and what speaks its protocol. Knows keys and bytes only; retries are retry.ts's. Imported only
// through open.ts, when a store is first asked for: the SDK costs a process some 20 MB.
import type { Readable } from "node:stream";
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type GetObjectCommandOutput,
  type ListObjectsV2CommandOutput,
} from "@aws-sdk/client-s3";
import { crc32Base64 } from "#codec/digest.ts";
import { locationOf, type StoreConfig, type StoreCredentials } from "./config.ts";
import type { ListPage, PageOptions, StoreDriver } from "./driver.ts";
import { StoreError } from "./errors.ts";
import { checkedBody } from "./s3-body.ts";
import { createClient } from "./s3-client.ts";
import { createS3Probe } from "./s3-probe.ts";
import { isNotImplemented, isRefusal, toStoreError } from "./s3-errors.ts";
import { hashed, payloadHashOf, translating, writeFields, type S3Place } from "./s3-request.ts";
import { beginUpload } from "./s3-upload.ts";
import type {
  CallOptions,
  GetOptions,
  ListEntry,
  ObjectContent,
  ObjectHead,
  PutOptions,
  WholePutOptions,
} from "./store.ts";

/** S3 lists no more at once. */
const pageEntries = 1000;

export interface S3DriverOptions {
  /** The longest silence while a body is read. */
  readonly idleMs: number;
  /** The login for the next request; that of the configuration when absent. */
  readonly credentials?: () => StoreCredentials;
}

export function createS3Driver(config: StoreConfig, { idleMs, credentials }: S3DriverOptions): StoreDriver {
  const plainHttp = config.endpoint?.startsWith("http:") ?? false;
  const { bucket, prefix } = config;
  const place: S3Place = {
    client: createClient(config, credentials),
    bucket,
    prefix,
    location: locationOf(config),
    plainHttp,
  };
  let conditionalPut = config.conditionalPut ?? true;

  /** Runs a write that must not replace anything; where the provider cannot promise that, it is asked first. */
  const unlessThere = async <T, O extends PutOptions>(key: string, options: O, write: (options: O) => Promise<T>) => {
    if (options.ifAbsent !== true) return write(options);
    if (conditionalPut) {
      try {
        return await write(options);
      } catch (error) {
        if (!isNotImplemented(error)) throw error;
        conditionalPut = false;
      }
    }
    if ((await head(place, key, options)) !== undefined) throw taken(place, key);
    return write({ ...options, ifAbsent: false });
  };

  return {
    location: place.location,
    get conditionalPut() {
      return conditionalPut;
    },
    probe: createS3Probe(place, config),
    put: async (key, body, options) =>
      translating(`put ${at(place, key)}`, options, () =>
        unlessThere(key, options, (allowed) => put(place, key, body, allowed)),
      ),
    beginUpload: async (key, options) =>
      translating(`begin upload of ${at(place, key)}`, options, () =>
        unlessThere(key, options, (allowed) => beginUpload(place, key, allowed)),
      ),
    get: async (key, options) =>
      translating(`get ${at(place, key)}`, options, () => get(place, key, { ...options, idleMs })),
    head: async (key, options) => translating(`head ${at(place, key)}`, options, () => head(place, key, options)),
    listPage: async (prefix, options) =>
      translating(`list ${at(place, prefix)}`, options, () => listPage(place, prefix, options)),
    delete: async (keys, options) =>
      translating(`delete ${keys.length} objects of ${place.location}`, options, () => remove(place, keys, options)),
    close: () => place.client.destroy(),
  };
}

const at = (place: S3Place, key: string): string => `${place.location}/${key}`;

const taken = (place: S3Place, key: string): StoreError =>
  new StoreError("AlreadyExists", `put ${at(place, key)}: the object is there already`);

async function put(place: S3Place, key: string, body: Uint8Array, options: WholePutOptions): Promise<void> {
  const input = {
    Bucket: place.bucket,
    Key: place.prefix + key,
    Body: body,
    ContentLength: body.byteLength,
    ChecksumCRC32: crc32Base64(body),
    ...writeFields(options),
    ...(options.ifAbsent === true && { IfNoneMatch: "*" }),
  };
  const hash = await payloadHashOf(place, body, options.sha256);
  const { ETag } = await place.client.send(new PutObjectCommand(hashed(input, hash)), { abortSignal: options.signal });
  // Whatever else answers at an address says "200 OK" too, and has stored nothing.
  if (ETag === undefined) throw new StoreError("Unavailable", `put ${at(place, key)}: no etag came`);
}

async function get(
  place: S3Place,
  key: string,
  options: GetOptions & { readonly idleMs: number },
): Promise<ObjectContent> {
  const { signal, range, idleMs } = options;
  const input = {
    Bucket: place.bucket,
    Key: place.prefix + key,
    ...(range !== undefined && { Range: `bytes=${range.start}-${range.end}` }),
  };
  const output = await place.client.send(new GetObjectCommand(input), { abortSignal: signal });
  const doing = `get ${at(place, key)}`;
  const bytes = output.ContentLength;
  if (output.Body === undefined || bytes === undefined) {
    throw new StoreError("Unavailable", `${doing}: the answer has no body or no length`);
  }
  const crc32 = range === undefined ? wholeChecksum(output) : undefined;
  const expected = { doing, bytes, idleMs, signal, ...(crc32 !== undefined && { crc32 }) };
  // In Node the SDK hands over the socket's own stream.
  const body = checkedBody(output.Body as Readable, expected);
  return { ...headOf(key, output, sizeOf(output, bytes)), body };
}

/** "bytes 0-9/1234" of a ranged answer tells the size of the whole. */
const sizeOf = ({ ContentRange }: GetObjectCommandOutput, bytes: number): number =>
  ContentRange === undefined ? bytes : Number(ContentRange.slice(ContentRange.lastIndexOf("/") + 1));

/** Of an object made of parts, S3 keeps a checksum of the parts' checksums ("…-3"): it says nothing about the body. */
const wholeChecksum = ({ ChecksumCRC32, ChecksumType }: GetObjectCommandOutput): string | undefined =>
  ChecksumType === "COMPOSITE" || ChecksumCRC32?.includes("-") === true ? undefined : ChecksumCRC32;

interface HeadFields {
  readonly LastModified?: Date | undefined;
  readonly Metadata?: Readonly<Record<string, string>> | undefined;
}

const headOf = (key: string, { LastModified, Metadata }: HeadFields, size: number): ObjectHead => ({
  key,
  size,
  lastModified: LastModified ?? new Date(0),
  metadata: Metadata ?? {},
});

/**
 * The answer to a HEAD request has no body, so a refusal does not say why: a missing bucket looks like a missing key. One
 * byte of a GET is then asked for, whose answer does.
 */
async function head(place: S3Place, key: string, options: CallOptions): Promise<ObjectHead | undefined> {
  const input = { Bucket: place.bucket, Key: place.prefix + key };
  try {
    const output = await place.client.send(new HeadObjectCommand(input), { abortSignal: options.signal });
    return headOf(key, output, output.ContentLength ?? 0);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return whyRefused(place, key, { error, signal: options.signal });
  }
}

async function whyRefused(
  place: S3Place,
  key: string,
  { error, signal }: CallOptions & { readonly error: unknown },
): Promise<ObjectHead | undefined> {
  const doing = `head ${at(place, key)}`;
  try {
    const { body, ...head } = await get(place, key, { signal, range: { start: 0, end: 0 }, idleMs: 1000 });
    body.destroy();
    // It came into being between the two requests.
    return head;
  } catch (reason) {
    const told = toStoreError(reason, doing);
    if (told.kind === "NotFound") return undefined;
    throw told.kind === "Corrupt" ? error : reason;
  }
}

async function listPage(place: S3Place, prefix: string, options: PageOptions): Promise<ListPage> {
  const input = {
    Bucket: place.bucket,
    Prefix: place.prefix + prefix,
    MaxKeys: pageEntries,
    ...(options.delimiter !== undefined && { Delimiter: options.delimiter }),
    ...(options.startAfter !== undefined && { StartAfter: place.prefix + options.startAfter }),
    ...(options.from !== undefined && { ContinuationToken: options.from }),
  };
  const output = await place.client.send(new ListObjectsV2Command(input), { abortSignal: options.signal });
  requireListing(output, `list ${at(place, prefix)}`);
  const entries = entriesOf(place, output);
  const next = output.NextContinuationToken;
  return output.IsTruncated === true && next !== undefined ? { entries, next } : { entries };
}

/** What a listing does not show counts as absent, so it must be one, and whole. */
function requireListing(output: ListObjectsV2CommandOutput, doing: string): void {
  if (output.Name === undefined && output.KeyCount === undefined && output.IsTruncated === undefined) {
    throw new StoreError("Unavailable", `${doing}: the answer is no listing`);
  }
  if (output.IsTruncated === true && output.NextContinuationToken === undefined) {
    throw new StoreError("Unsupported", `${doing}: the listing goes on, but the store does not say where`);
  }
}

/** S3 gives objects and common prefixes apart, each in order; the port wants one order. */
function entriesOf(place: S3Place, output: ListObjectsV2CommandOutput): readonly ListEntry[] {
  const own = (name: string): string => name.slice(place.prefix.length);
  const objects = (output.Contents ?? []).map(({ Key = "", Size = 0, LastModified = new Date(0) }) => {
    return { kind: "object" as const, key: own(Key), size: Size, lastModified: LastModified };
  });
  const prefixes = (output.CommonPrefixes ?? []).map(({ Prefix = "" }) => {
    return { kind: "prefix" as const, prefix: own(Prefix) };
  });
  if (prefixes.length === 0) return objects;
  return [...objects, ...prefixes].sort((one, other) => compareBytes(nameOf(one), nameOf(other)));
}

const nameOf = (entry: ListEntry): string => (entry.kind === "object" ? entry.key : entry.prefix);
const compareBytes = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

async function remove(place: S3Place, keys: readonly string[], options: CallOptions): Promise<void> {
  const objects = keys.map((key) => ({ Key: place.prefix + key }));
  const input = { Bucket: place.bucket, Delete: { Objects: objects, Quiet: true } };
  const output = await place.client.send(new DeleteObjectsCommand(input), { abortSignal: options.signal });
  const refused = output.Errors?.[0];
  if (refused === undefined) return;
  const reason = Object.assign(new Error(refused.Message ?? "refused"), { code: refused.Code ?? "InternalError" });
  throw toStoreError(reason, `delete s3://${place.bucket}/${refused.Key ?? ""}`);
}
