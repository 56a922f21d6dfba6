import { describe, expect, it } from "vitest";
import { judgeAccess, type Access } from "#store/preflight-access.ts";
import { StoreError } from "#store/errors.ts";
import { toStoreError } from "#store/s3-errors.ts";
import { inStanzaWords } from "./stanza-words.ts";

const fieldsOfObjectStore = /destinationPath|s3Credentials|endpointURL|service account/;

const thrown = (code: string): string => {
  const { message, hint = "" } = toStoreError(Object.assign(new Error("said"), { code }), "list s3://backups");
  return `${message} (${hint})`;
};

describe("what is said of a Stanza's repository", () => {
  it.each([
    ["NoSuchBucket", "(create it or write another in bucket)"],
    ["PermanentRedirect", "(set region to the region of the bucket)"],
    ["ENOTFOUND", "(check endpoint)"],
    ["SELF_SIGNED_CERT_IN_CHAIN", "(check endpoint, and endpointCA for a certificate of a private authority)"],
    ["CredentialsProviderError", "(name keys in secretRef)"],
  ])("names the Stanza's fields after %s", (code, said) => {
    expect(thrown(code)).toMatch(fieldsOfObjectStore);
    expect(inStanzaWords(thrown(code))).toContain(said);
    expect(inStanzaWords(thrown(code))).not.toMatch(fieldsOfObjectStore);
  });

  it.each<[string, Partial<Access>, string]>([
    ["the region", {}, "(set region to eu-west-3)"],
    ["the scheme", { speaksTls: true }, "endpoint begins with http:, but the server speaks TLS"],
  ])("names its field for %s", (_, changes, said) => {
    const refused = { error: new StoreError("RegionMismatch", "list s3://b: no"), latencyMs: 1 };
    const address = { host: "minio", port: 9000, tls: false, style: "path", bucketNamedTwice: false } as const;
    const checks = judgeAccess({
      probe: { address, region: "us-east-1", ownEndpoint: true },
      bucket: { value: { clockAheadMs: 0, region: "eu-west-3" }, latencyMs: 1 },
      listing: refused,
      speaksTls: false,
      ...changes,
    });
    const messages = checks.map(({ message }) => inStanzaWords(message));
    expect(messages).toContainEqual(expect.stringContaining(said));
    expect(messages.join()).not.toMatch(fieldsOfObjectStore);
  });
});
