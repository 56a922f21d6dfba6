// The SDK's client, with every option given explicitly: its defaults move between releases, and some of them read files
// and environment variables that have no business here. Retries, checksums and deadlines are ours, so the SDK's are off.
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import type { StoreConfig, StoreCredentials } from "./config.ts";
import { lookupIn } from "./namespace-lookup.ts";
import { addHeaders } from "./s3-request.ts";

const connectMs = 5_000;
/** Kept connections that nobody uses are closed after this. */
const unusedMs = 60_000;
/** More requests at once wait for a connection. */
const connectionsMost = 32;
/** What S3 assumes of a request that names no region; also what stores without regions expect. */
const regionOfNowhere = "us-east-1";

/** undefined: nobody said, and requests are signed for the region that S3 assumes. */
const givenRegion = ({ region }: StoreConfig): string | undefined =>
  region ?? process.env["AWS_REGION"] ?? process.env["AWS_DEFAULT_REGION"];

/** The region that requests are signed for. */
export const signingRegion = (config: StoreConfig): string => givenRegion(config) ?? regionOfNowhere;

/** Whether the bucket stands in the path of a request. */
export const usesPathStyle = ({ endpoint, addressing = "path" }: StoreConfig): boolean =>
  endpoint !== undefined && addressing === "path";

export function createClient(config: StoreConfig, credentials = () => config.credentials): S3Client {
  const region = givenRegion(config);
  const agentOptions = {
    keepAlive: true,
    maxSockets: connectionsMost,
    timeout: unusedMs,
    ...(config.namespace !== undefined && { lookup: lookupIn(config.namespace) }),
  };
  const client = new S3Client({
    region: region ?? regionOfNowhere,
    ...(config.endpoint !== undefined && { endpoint: config.endpoint }),
    forcePathStyle: usesPathStyle(config),
    // AWS tells where a bucket is; elsewhere a redirect to another host would be followed with our credentials.
    followRegionRedirects: region === undefined && config.endpoint === undefined,
    ...credentialsOf(credentials),
    maxAttempts: 1,
    retryMode: "standard",
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // Waiting for "100 Continue" costs a round trip for every body.
    expectContinueHeader: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useArnRegion: false,
    disableS3ExpressSessionAuth: true,
    disableMultiregionAccessPoints: true,
    defaultsMode: "standard",
    customUserAgent: "holdfast",
    requestHandler: {
      connectionTimeout: connectMs,
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent({
        ...agentOptions,
        ...(config.ca !== undefined && { ca: config.ca }),
        rejectUnauthorized: config.verifyTls ?? true,
      }),
    },
  });
  addHeaders(client);
  return client;
}

/**
 * Without keys the SDK looks through its default chain: environment, web identity token, container, instance metadata.
 * With keys it is made to ask for each request, by telling it that they have expired: they may have been exchanged.
 */
function credentialsOf(credentials: () => StoreCredentials): Pick<S3ClientConfig, "credentials"> {
  if (credentials().kind === "ambient") return {};
  return {
    credentials: async () => {
      const now = credentials();
      if (now.kind === "ambient") throw new Error("a store with keys cannot turn to the pod's own role");
      const { accessKeyId, secretAccessKey, sessionToken } = now;
      const keys = { accessKeyId, secretAccessKey, expiration: new Date(0) };
      return sessionToken === undefined ? keys : { ...keys, sessionToken };
    },
  };
}
