// What S3, and what speaks its protocol, can be asked for the preflight.
import {
  AbortMultipartUploadCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
} from "@aws-sdk/client-s3";
import type { StoreConfig } from "./config.ts";
import { isStoreError } from "./errors.ts";
import { lookupIn } from "./namespace-lookup.ts";
import { connectTo, handshakeWith, resolveHost, type Endpoint } from "./network-probe.ts";
import type { BucketAnswer, ObjectLock, StoreAddress, StoreProbe } from "./probe.ts";
import { signingRegion, usesPathStyle } from "./s3-client.ts";
import { toStoreError } from "./s3-errors.ts";
import { translating, type S3Place } from "./s3-request.ts";
import type { CallOptions } from "./call.ts";

export function createS3Probe(place: S3Place, config: StoreConfig): StoreProbe {
  const { bucket } = config;
  const region = signingRegion(config);
  const network = {
    ...(config.namespace !== undefined && { lookup: lookupIn(config.namespace) }),
    ...(config.ca !== undefined && { ca: config.ca }),
    anyCertificate: config.verifyTls === false,
  };
  // Worked out when it is asked for: the data path has no use for it.
  const endpoint = (): Endpoint => ({ ...addressOf(place, config), ...network });
  const step =
    (doing: (to: Endpoint) => string, call: (to: Endpoint, options: CallOptions) => Promise<void>) =>
    (options: CallOptions) => {
      const to = endpoint();
      return translating(doing(to), options, () => call(to, options));
    };
  return {
    get address() {
      return addressOf(place, config);
    },
    region,
    ownEndpoint: config.endpoint !== undefined,
    resolve: step(({ host }) => `resolve ${host}`, resolveHost),
    connect: step(({ host, port }) => `connect to ${host}:${port}`, connectTo),
    handshake: step(({ host, port }) => `establish TLS with ${host}:${port}`, handshakeWith),
    speaksTls: (options) =>
      handshakeWith(endpoint(), { ...options, anyCertificate: true }).then(
        () => true,
        () => false,
      ),
    askBucket: (options) => translating(`ask for bucket ${bucket}`, options, () => askBucket(place, options)),
    versioning: (options) =>
      translating(`get versioning of bucket ${bucket}`, options, () => versioning(place, options)),
    objectLock: (options) =>
      translating(`get object lock of bucket ${bucket}`, options, () => objectLock(place, options)),
    sweep: async (key, options) => {
      await Promise.allSettled([abortUploads(place, key, options), removeVersions(place, key, options)]);
    },
  };
}

/** Where the SDK will send its requests. */
function addressOf({ client, bucket }: S3Place, config: StoreConfig): StoreAddress {
  const { url } = client.config.endpointProvider({
    Bucket: bucket,
    Region: signingRegion(config),
    UseFIPS: false,
    UseDualStack: false,
    ...(config.endpoint !== undefined && { Endpoint: config.endpoint, ForcePathStyle: usesPathStyle(config) }),
  });
  const tls = url.protocol === "https:";
  const style = url.pathname.endsWith(`/${bucket}`) ? "path" : "virtual-host";
  const own = config.endpoint === undefined ? null : URL.parse(config.endpoint);
  return {
    // An address of IPv6 stands in brackets in a URL only.
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (tls ? 443 : 80) : Number(url.port),
    tls,
    style,
    bucketNamedTwice:
      own !== null && (own.hostname.startsWith(`${bucket}.`) || own.pathname.split("/").includes(bucket)),
  };
}

/** The headers of an answer say what is asked for here, whatever its status is. */
async function askBucket({ client, bucket }: S3Place, { signal }: CallOptions): Promise<BucketAnswer> {
  const command = new HeadBucketCommand({ Bucket: bucket });
  let answer: BucketAnswer | undefined;
  command.middlewareStack.add(
    (next) => async (args) => {
      const askedAt = Date.now();
      const output = await next(args);
      const headers = (output.response as { headers?: Readonly<Record<string, string>> }).headers ?? {};
      const region = headers["x-amz-bucket-region"];
      const date = Date.parse(headers["date"] ?? "");
      const ahead = date - (askedAt + Date.now()) / 2;
      answer = { ...(region && { region }), ...(!Number.isNaN(date) && { clockAheadMs: ahead }) };
      return output;
    },
    { step: "deserialize", priority: "low", name: "holdfastAnswer" },
  );
  try {
    await client.send(command, { abortSignal: signal });
  } catch (error) {
    if (answer === undefined) throw error;
  }
  return answer ?? {};
}

async function versioning({ client, bucket }: S3Place, { signal }: CallOptions): Promise<boolean> {
  const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket: bucket }), { abortSignal: signal });
  return Status === "Enabled";
}

async function objectLock({ client, bucket }: S3Place, { signal }: CallOptions): Promise<ObjectLock> {
  const command = new GetObjectLockConfigurationCommand({ Bucket: bucket });
  try {
    const { ObjectLockConfiguration } = await client.send(command, { abortSignal: signal });
    const { Days, Years, Mode } = ObjectLockConfiguration?.Rule?.DefaultRetention ?? {};
    const time = Days !== undefined ? `${Days} days` : Years !== undefined ? `${Years} years` : undefined;
    const retention = time === undefined || Mode === undefined ? {} : { retention: `${time}, ${Mode}` };
    return { on: ObjectLockConfiguration?.ObjectLockEnabled === "Enabled", ...retention };
  } catch (error) {
    // There being no configuration is an answer.
    if (isStoreError(toStoreError(error, "get object lock"), "NotFound")) return { on: false };
    throw error;
  }
}

async function abortUploads({ client, bucket, prefix }: S3Place, key: string, { signal }: CallOptions): Promise<void> {
  const listing = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix + key });
  const { Uploads = [] } = await client.send(listing, { abortSignal: signal });
  for (const { Key, UploadId } of Uploads) {
    if (Key !== prefix + key || UploadId === undefined) continue;
    const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId });
    await client.send(abort, { abortSignal: signal });
  }
}

async function removeVersions(
  { client, bucket, prefix }: S3Place,
  key: string,
  { signal }: CallOptions,
): Promise<void> {
  const listing = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix + key });
  const { Versions = [], DeleteMarkers = [] } = await client.send(listing, { abortSignal: signal });
  const Objects = [...Versions, ...DeleteMarkers].flatMap(({ Key, VersionId }) =>
    Key === prefix + key && VersionId !== undefined && VersionId !== "null" ? [{ Key, VersionId }] : [],
  );
  if (Objects.length === 0) return;
  const removal = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } });
  await client.send(removal, { abortSignal: signal });
}
