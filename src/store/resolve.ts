// From an ObjectStore object to a store that can be opened: the spec checked, its Secrets read. Knows no API server: the
// caller brings the function that reads one key of a Secret.
import { X509Certificate } from "node:crypto";
import type { ObjectStore as ObjectStoreResource } from "#api/gen/object-store.ts";
import { type StoreConfig, StoreConfigError, type StoreCredentials } from "./config.ts";
import { parseDestination, specProblems, transferSettings, type StoreSpec } from "./spec.ts";
import type { CallOptions } from "./call.ts";

export interface SecretSelector {
  readonly name: string;
  readonly key: string;
}

/**
 * Reads one key of a Secret in the store's namespace, decoded. Throws StoreConfigError "SecretNotFound",
 * "SecretKeyMissing" or "Unavailable"; secretNotFound and secretKeyMissing make the first two.
 */
export type ReadSecret = (selector: SecretSelector, options: CallOptions) => Promise<string>;

export const secretNotFound = ({ name }: SecretSelector, cause?: unknown): StoreConfigError =>
  new StoreConfigError("SecretNotFound", `secret ${name} does not exist`, {
    cause,
    hint: "create it in the store's namespace",
  });

export const secretKeyMissing = ({ name, key }: SecretSelector): StoreConfigError =>
  new StoreConfigError("SecretKeyMissing", `secret ${name} has no key ${key}`);

/** Throws the first problem as StoreConfigError, with the field that it is about. */
export async function resolveStoreConfig(
  { spec, status }: Pick<ObjectStoreResource, "spec" | "status">,
  readSecret: ReadSecret,
  options: CallOptions,
): Promise<StoreConfig> {
  const [problem] = specProblems(spec);
  if (problem !== undefined) throw new StoreConfigError(problem.kind, problem.message, problem);
  const { endpointURL, endpointCA, s3Credentials = {}, tags, historyTags } = spec.configuration;
  const destination = parseDestination(spec.configuration.destinationPath);
  if (destination === undefined)
    throw new StoreConfigError("InvalidSpec", "no bucket", { field: "spec.configuration.destinationPath" });

  const read = async (field: string, selector: SecretSelector | undefined): Promise<string | undefined> =>
    selector && readTrimmed(`spec.configuration.${field}`, () => readSecret(selector, options));
  const ca = await read("endpointCA", endpointCA);
  if (ca !== undefined) firstCertificate(ca);
  const region = await read("s3Credentials.region", s3Credentials.region);
  if (region !== undefined) checkRegion(region, endpointURL);
  return {
    provider: "s3",
    ...destination,
    ...(endpointURL !== undefined && { endpoint: endpointURL.replace(/\/$/, "") }),
    ...(region !== undefined && { region }),
    credentials: await credentialsOf(s3Credentials, read),
    ...(ca !== undefined && { ca }),
    ...(status?.conditionalPut !== undefined && { conditionalPut: status.conditionalPut }),
    transfer: transferSettings(spec.configuration),
    ...writing(spec.configuration),
    ...(tags !== undefined && { tags }),
    ...(historyTags !== undefined && { historyTags }),
  };
}

type S3Credentials = NonNullable<StoreSpec["configuration"]["s3Credentials"]>;

async function credentialsOf(
  { accessKeyId, secretAccessKey, sessionToken }: S3Credentials,
  read: (field: string, selector: SecretSelector | undefined) => Promise<string | undefined>,
): Promise<StoreCredentials> {
  const id = await read("s3Credentials.accessKeyId", accessKeyId);
  const secret = await read("s3Credentials.secretAccessKey", secretAccessKey);
  const token = await read("s3Credentials.sessionToken", sessionToken);
  if (id === undefined || secret === undefined) return { kind: "ambient" };
  const keys = { kind: "keys", accessKeyId: id, secretAccessKey: secret } as const;
  return token === undefined ? keys : { ...keys, sessionToken: token };
}

/**
 * The value that `read` gives for a field, without the line break that ends Secrets made from files. Throws StoreConfigError
 * with the field; also for an empty value.
 */
export async function readTrimmed(field: string, read: () => Promise<string>): Promise<string> {
  const value = await read().catch((error: unknown) => {
    if (!(error instanceof StoreConfigError) || error.field !== undefined) throw error;
    const { kind, message, cause, hint } = error;
    throw new StoreConfigError(kind, message, { cause, field, ...(hint !== undefined && { hint }) });
  });
  const trimmed = value.trim();
  if (trimmed === "") throw new StoreConfigError("SecretKeyMissing", "the value in the secret is empty", { field });
  return trimmed;
}

/** It becomes part of Amazon's host names, which are told: what is no region, such as a key, must not get there. */
function checkRegion(region: string, endpointURL: string | undefined): void {
  const form = endpointURL === undefined ? /^[a-z]{2,}(-[a-z0-9]+)+$/ : /^[\w-]+$/;
  if (region.length <= 32 && form.test(region)) return;
  const hint = "the region's name, such as eu-west-1";
  throw new StoreConfigError("InvalidSpec", "the secret's value is not the name of a region", {
    field: "spec.configuration.s3Credentials.region",
    hint,
  });
}

function firstCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    const hint = "put the authority's certificate in PEM form there";
    const options = { cause, field: "spec.configuration.endpointCA", hint };
    throw new StoreConfigError("InvalidSpec", "the secret's value is no certificate", options);
  }
}

function writing({ wal = {}, data = {} }: StoreSpec["configuration"]): Pick<StoreConfig, "wal" | "data"> {
  return {
    wal: {
      compression: wal.compression === "gzip" || wal.compression === "zstd" ? wal.compression : "none",
      maxParallel: wal.maxParallel ?? 1,
      ...(wal.encryption !== undefined && { encryption: wal.encryption }),
    },
    data: {
      compression: data.compression === "gzip" ? data.compression : "none",
      jobs: data.jobs ?? 2,
      immediateCheckpoint: data.immediateCheckpoint ?? false,
      ...(data.encryption !== undefined && { encryption: data.encryption }),
    },
  };
}
