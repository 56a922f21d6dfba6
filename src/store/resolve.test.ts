import { describe, expect, it } from "vitest";
import { type StoreConfig, StoreConfigError } from "./config.ts";
import { type ReadSecret, resolveStoreConfig, secretKeyMissing, secretNotFound } from "./resolve.ts";
import type { StoreSpec } from "./spec.ts";

const signal = new AbortController().signal;
const select = (key: string) => ({ name: "login", key });
const keys = { accessKeyId: select("id"), secretAccessKey: select("secret") };

const secrets: Readonly<Record<string, string>> = {
  id: "key-id\n",
  secret: " s3cret \r\n",
  token: "token",
  region: "fr-par\n",
  pasted: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  empty: "\n",
  junk: "no certificate",
};
const readSecret: ReadSecret = async (selector) => {
  if (selector.name !== "login") throw secretNotFound(selector);
  const value = secrets[selector.key];
  if (value === undefined) throw secretKeyMissing(selector);
  return value;
};

const resolve = (configuration: Partial<StoreSpec["configuration"]>, status = {}): Promise<StoreConfig> =>
  resolveStoreConfig(
    { spec: { configuration: { destinationPath: "s3://backups/pg", s3Credentials: keys, ...configuration } }, status },
    readSecret,
    { signal },
  );

describe("resolving an ObjectStore", () => {
  it("fills in what the spec leaves open", async () => {
    expect(await resolve({})).toEqual({
      provider: "s3",
      bucket: "backups",
      prefix: "pg/",
      credentials: { kind: "keys", accessKeyId: "key-id", secretAccessKey: "s3cret" },
      transfer: {},
      wal: { compression: "none", maxParallel: 1 },
      data: { compression: "none", jobs: 2, immediateCheckpoint: false },
    });
  });

  it("takes no key for a region, and does not repeat it", async () => {
    for (const endpointURL of [undefined, "http://minio:9000"]) {
      const s3Credentials = { ...keys, region: select("pasted") };
      const resolved = resolve({ s3Credentials, ...(endpointURL !== undefined && { endpointURL }) });
      await expect(resolved).rejects.toMatchObject({
        kind: "InvalidSpec",
        field: "spec.configuration.s3Credentials.region",
        message: "the secret's value is not the name of a region",
      });
    }
  });

  it("takes over all that the spec says", async () => {
    const config = await resolve(
      {
        endpointURL: "http://minio:9000/",
        s3Credentials: { ...keys, sessionToken: select("token"), region: select("region") },
        wal: { compression: "zstd", encryption: "AES256", maxParallel: 8 },
        data: {
          compression: "gzip",
          encryption: "aws:kms",
          jobs: 4,
          immediateCheckpoint: true,
          additionalCommandArgs: ["--read-timeout=60"],
        },
        tags: { team: "dba" },
        historyTags: { team: "dba", kind: "history" },
      },
      { conditionalPut: false },
    );
    expect(config).toEqual({
      provider: "s3",
      bucket: "backups",
      prefix: "pg/",
      endpoint: "http://minio:9000",
      region: "fr-par",
      credentials: { kind: "keys", accessKeyId: "key-id", secretAccessKey: "s3cret", sessionToken: "token" },
      conditionalPut: false,
      transfer: { idleMs: 60_000 },
      wal: { compression: "zstd", encryption: "AES256", maxParallel: 8 },
      data: { compression: "gzip", encryption: "aws:kms", jobs: 4, immediateCheckpoint: true },
      tags: { team: "dba" },
      historyTags: { team: "dba", kind: "history" },
    });
  });

  it("uses the pod's own role where that is asked for", async () => {
    const config = await resolve({ s3Credentials: { inheritFromIAMRole: true, region: select("region") } });
    expect(config).toMatchObject({ credentials: { kind: "ambient" }, region: "fr-par" });
  });

  const field = (name: string): string => `spec.configuration.${name}`;
  it.each<[string, Partial<StoreSpec["configuration"]>, object]>([
    [
      "what the spec gets wrong",
      { destinationPath: "pg" },
      { kind: "InvalidSpec", field: field("destinationPath"), hint: "write s3://bucket/path" },
    ],
    ["what is to come", { data: { compression: "lz4" } }, { kind: "Unsupported", field: field("data.compression") }],
    [
      "a missing Secret",
      { s3Credentials: { ...keys, secretAccessKey: { name: "other", key: "x" } } },
      { kind: "SecretNotFound", field: field("s3Credentials.secretAccessKey"), message: "secret other does not exist" },
    ],
    [
      "a missing key in one",
      { s3Credentials: { ...keys, accessKeyId: select("ID") } },
      { kind: "SecretKeyMissing", field: field("s3Credentials.accessKeyId"), message: "secret login has no key ID" },
    ],
    [
      "an empty value",
      { s3Credentials: { ...keys, accessKeyId: select("empty") } },
      { kind: "SecretKeyMissing", field: field("s3Credentials.accessKeyId") },
    ],
    ["a CA that is none", { endpointCA: select("junk") }, { kind: "InvalidSpec", field: field("endpointCA") }],
  ])("names %s", async (_, configuration, expected) => {
    const error: unknown = await resolve(configuration).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreConfigError);
    expect(error).toMatchObject(expected);
  });
});
