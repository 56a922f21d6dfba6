import { describe, expect, it } from "vitest";
import type { StanzaSpec } from "./config.ts";
import { environmentOf, type Surroundings } from "./environment.ts";
import { resolveStanzaConfig } from "./resolve.ts";

const key = (name: string) => ({ name: "login", key: name });
const call = { signal: AbortSignal.timeout(10_000) };
const s3 = { bucket: "backups", endpoint: "minio:9000", region: "us-east-1", repoPath: "/pg" };

const signature = "sv=2021-06-08&sp=rwdl&sig=c2lnbmVk";

/** Key SAS of the Secret holds the signature, every other one its own name in small letters. */
async function variablesOf(
  stanzaConfiguration: Readonly<Record<string, unknown>>,
  surroundings: Partial<Surroundings> = {},
): Promise<Readonly<Record<string, string>>> {
  const spec = { stanzaConfiguration: { name: "main", ...stanzaConfiguration } } as unknown as StanzaSpec;
  const read = async ({ key }: { readonly key: string }): Promise<string> =>
    key === "SAS" ? signature : key.toLowerCase();
  const config = await resolveStanzaConfig({ spec }, read, call);
  return environmentOf(config, { lockPath: "/lock", caFiles: new Map([[2, "/ca/2"]]), ...surroundings });
}

const always = {
  PGBACKREST_CONFIG: "/dev/null",
  PGBACKREST_STANZA: "main",
  PGBACKREST_LOCK_PATH: "/lock",
  PGBACKREST_LOG_LEVEL_FILE: "off",
  PGBACKREST_LOG_LEVEL_STDERR: "error",
  PGBACKREST_LOG_TIMESTAMP: "n",
};

describe("the variables of a Stanza", () => {
  it("are every field of it, and nothing else", async () => {
    const retentionPolicy = { full: 7, fullType: "time", diff: 3, archive: 2, archiveType: "diff", history: 0 };
    const secretRef = { accessKeyId: key("ID"), secretAccessKey: key("SECRET") };
    const variables = await variablesOf(
      {
        s3Repositories: [
          { ...s3, uriStyle: "path", secretRef, retentionPolicy, cipherConfig: { encryptionPass: key("PASS") } },
          { ...s3, bucket: "second", verifyTLS: false, secretRef, endpointCA: key("CA") },
        ],
        azureRepositories: [
          {
            account: "holdfast1",
            container: "third",
            repoPath: "/az",
            endpoint: "blob.example.com",
            keyType: "sas",
            uriStyle: "path",
            secretRef: { keyReference: key("SAS") },
            cipherConfig: { encryptionPass: key("OTHER") },
            retentionPolicy: { full: 1 },
          },
        ],
        processMax: 4,
        archive: { async: true, pushQueueMax: "100GiB" },
        compressConfig: { type: "gz", level: 0 },
        startFast: true,
        delta: true,
        customEnvVar: { PGBACKREST_DB_TIMEOUT: "60", PGBACKREST_REPO1_BUNDLE: "y" },
      },
      { spoolPath: "/spool", database: { pgdata: "/pgdata", socketDirectory: "/run", port: 5432 } },
    );
    expect(variables).toEqual({
      ...always,
      PGBACKREST_DB_TIMEOUT: "60",
      PGBACKREST_PROCESS_MAX: "4",
      PGBACKREST_START_FAST: "y",
      PGBACKREST_DELTA: "y",
      PGBACKREST_ARCHIVE_PUSH_QUEUE_MAX: "100GiB",
      PGBACKREST_COMPRESS_TYPE: "gz",
      PGBACKREST_COMPRESS_LEVEL: "0",
      PGBACKREST_SPOOL_PATH: "/spool",
      PGBACKREST_PG1_PATH: "/pgdata",
      PGBACKREST_PG1_SOCKET_PATH: "/run",
      PGBACKREST_PG1_PORT: "5432",
      PGBACKREST_PG1_USER: "postgres",
      PGBACKREST_REPO1_TYPE: "s3",
      PGBACKREST_REPO1_PATH: "/pg",
      PGBACKREST_REPO1_BUNDLE: "y",
      PGBACKREST_REPO1_STORAGE_VERIFY_TLS: "y",
      PGBACKREST_REPO1_RETENTION_FULL: "7",
      PGBACKREST_REPO1_RETENTION_FULL_TYPE: "time",
      PGBACKREST_REPO1_RETENTION_DIFF: "3",
      PGBACKREST_REPO1_RETENTION_ARCHIVE: "2",
      PGBACKREST_REPO1_RETENTION_ARCHIVE_TYPE: "diff",
      PGBACKREST_REPO1_RETENTION_HISTORY: "0",
      PGBACKREST_REPO1_S3_BUCKET: "backups",
      PGBACKREST_REPO1_S3_ENDPOINT: "minio:9000",
      PGBACKREST_REPO1_S3_REGION: "us-east-1",
      PGBACKREST_REPO1_S3_URI_STYLE: "path",
      PGBACKREST_REPO1_S3_KEY_TYPE: "shared",
      PGBACKREST_REPO1_S3_KEY: "id",
      PGBACKREST_REPO1_S3_KEY_SECRET: "secret",
      PGBACKREST_REPO1_CIPHER_TYPE: "aes-256-cbc",
      PGBACKREST_REPO1_CIPHER_PASS: "pass",
      PGBACKREST_REPO2_TYPE: "s3",
      PGBACKREST_REPO2_PATH: "/pg",
      PGBACKREST_REPO2_STORAGE_VERIFY_TLS: "n",
      PGBACKREST_REPO2_STORAGE_CA_FILE: "/ca/2",
      PGBACKREST_REPO2_S3_BUCKET: "second",
      PGBACKREST_REPO2_S3_ENDPOINT: "minio:9000",
      PGBACKREST_REPO2_S3_REGION: "us-east-1",
      PGBACKREST_REPO2_S3_KEY_TYPE: "shared",
      PGBACKREST_REPO2_S3_KEY: "id",
      PGBACKREST_REPO2_S3_KEY_SECRET: "secret",
      PGBACKREST_REPO3_TYPE: "azure",
      PGBACKREST_REPO3_PATH: "/az",
      PGBACKREST_REPO3_STORAGE_VERIFY_TLS: "y",
      PGBACKREST_REPO3_RETENTION_FULL: "1",
      PGBACKREST_REPO3_AZURE_ACCOUNT: "holdfast1",
      PGBACKREST_REPO3_AZURE_CONTAINER: "third",
      PGBACKREST_REPO3_AZURE_ENDPOINT: "blob.example.com",
      PGBACKREST_REPO3_AZURE_KEY_TYPE: "sas",
      PGBACKREST_REPO3_AZURE_KEY: signature,
      PGBACKREST_REPO3_AZURE_URI_STYLE: "path",
      PGBACKREST_REPO3_CIPHER_TYPE: "aes-256-cbc",
      PGBACKREST_REPO3_CIPHER_PASS: "other",
    });
  });

  it("of a bare one verify TLS, leave pgBackRest its own defaults, and ask the machine for the login", async () => {
    expect(await variablesOf({ s3Repositories: [s3] })).toEqual({
      ...always,
      PGBACKREST_PROCESS_MAX: "1",
      PGBACKREST_START_FAST: "n",
      PGBACKREST_DELTA: "n",
      PGBACKREST_REPO1_TYPE: "s3",
      PGBACKREST_REPO1_PATH: "/pg",
      PGBACKREST_REPO1_STORAGE_VERIFY_TLS: "y",
      PGBACKREST_REPO1_S3_BUCKET: "backups",
      PGBACKREST_REPO1_S3_ENDPOINT: "minio:9000",
      PGBACKREST_REPO1_S3_REGION: "us-east-1",
      PGBACKREST_REPO1_S3_KEY_TYPE: "auto",
    });
  });

  it("keep what Holdfast sets from a variable of the user's", async () => {
    const surroundings = { lockPath: "/lock" };
    const spec = { stanzaConfiguration: { name: "main", s3Repositories: [s3] } } as unknown as StanzaSpec;
    const config = await resolveStanzaConfig({ spec }, async () => "", call);
    const variables = { ...config.variables, PGBACKREST_LOCK_PATH: "/elsewhere", PGBACKREST_CONFIG: "/etc/x" };
    expect(environmentOf({ ...config, variables }, { ...surroundings, caFiles: new Map() })).toMatchObject(always);
  });
});
