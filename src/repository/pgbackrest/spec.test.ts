import { describe, expect, it } from "vitest";
import type { StanzaSpec } from "./config.ts";
import { generalOptions, repositoryOptions } from "./options.ts";
import { stanzaProblems, stanzaWarnings } from "./spec.ts";
import { variableProblems } from "./variables.ts";

type Fields = Readonly<Record<string, unknown>>;

const key = (name: string) => ({ name: "login", key: name });
const secretRef = { accessKeyId: key("ID"), secretAccessKey: key("SECRET") };
const s3: Fields = { bucket: "backups", endpoint: "minio:9000", region: "us-east-1", repoPath: "/pg", secretRef };
const azure: Fields = {
  account: "account1",
  container: "backups",
  repoPath: "/pg",
  secretRef: { keyReference: key("KEY") },
};

const spec = (configuration: Fields = {}, more: Fields = {}): StanzaSpec =>
  ({ stanzaConfiguration: { name: "main", s3Repositories: [s3], ...configuration }, ...more }) as unknown as StanzaSpec;
const inS3 = (changes: Fields): StanzaSpec => spec({ s3Repositories: [{ ...s3, ...changes }] });
const inAzure = (changes: Fields): StanzaSpec =>
  spec({ s3Repositories: [], azureRepositories: [{ ...azure, ...changes }] });
const kept = (retentionPolicy: Fields): StanzaSpec => inS3({ retentionPolicy });
const variables = (customEnvVar: Readonly<Record<string, string>>, more: Fields = {}): StanzaSpec =>
  spec({ customEnvVar, ...more });

const problems = (given: StanzaSpec): string[] =>
  stanzaProblems(given).map(({ field, message, hint }) => {
    expect(field).toMatch(/^spec\./);
    expect(hint).not.toBe("");
    return `${field.replace(/^spec\.stanzaConfiguration\./, "")}: ${message} (${hint})`;
  });

describe("a Stanza is accepted", () => {
  it.each<[string, StanzaSpec]>([
    ["with one repository in S3", spec()],
    ["with one in Azure", inAzure({})],
    ["with a bare host", inS3({ endpoint: "s3.eu-west-3.amazonaws.com" })],
    ["with a URL and a port", inS3({ endpoint: "https://minio.db.svc:9000" })],
    ["with an address of IPv6", inS3({ endpoint: "[fd00::1]:9000" })],
    ["without a login, for the instance metadata", inS3({ secretRef: undefined })],
    ["with a slash at the end of the path", inS3({ repoPath: "/pg/" })],
    ["with a dotted bucket where nothing is verified", inS3({ bucket: "my.backups", verifyTLS: false })],
    ["with one bucket and two paths", spec({ s3Repositories: [s3, { ...s3, repoPath: "/pg2" }] })],
    ["with a shared access signature", inAzure({ keyType: "sas" })],
    ["with Azurite", inAzure({ account: "devstoreaccount1", endpoint: "azurite:10000", uriStyle: "path" })],
    ["with a cipher", inS3({ cipherConfig: { encryptionPass: key("PASS") } })],
    ["with a level of gz, the type of which is the default", spec({ compressConfig: { level: -1 } })],
    ["with a fast zst", spec({ compressConfig: { type: "zst", level: -7 } })],
    ["with nothing compressed", spec({ compressConfig: { type: "none" } })],
    ["with diff and no full", kept({ diff: 3 })],
    ["with the default kind of archive retention spelt out", kept({ full: 2, archiveType: "full" })],
    ["with a queue", spec({ archive: { async: true, pushQueueMax: "100GiB", getQueueMax: "512 MiB" } })],
    [
      "with variables that nothing else sets",
      variables({
        PGBACKREST_IO_TIMEOUT: "120",
        PGBACKREST_DB_TIMEOUT: "1h",
        PGBACKREST_BUFFER_SIZE: "2MiB",
        PGBACKREST_REPO1_BUNDLE: "y",
        PGBACKREST_REPO1_BUNDLE_SIZE: "40m",
        PGBACKREST_REPO1_S3_KMS_KEY_ID: "arn:aws:kms:eu-west-3:1:key/x",
        PGBACKREST_REPO1_STORAGE_UPLOAD_CHUNK_SIZE: "8388608",
        PGBACKREST_TCP_KEEP_ALIVE_IDLE: "60",
        PGBACKREST_RESUME: "n",
        PGBACKREST_REPO1_STORAGE_TAG: "team=db:kind=backup",
      }),
    ],
  ])("%s", (_, given) => {
    expect(stanzaProblems(given)).toEqual([]);
  });
});

describe("a Stanza is refused", () => {
  it.each<[string, StanzaSpec, string]>([
    ["without a repository", spec({ s3Repositories: [] }), "s3Repositories: a Stanza needs a repository"],
    [
      "with more repositories than a Backup can select",
      spec({
        s3Repositories: Array.from({ length: 20 }, (_, n) => ({ ...s3, repoPath: `/s${n}` })),
        azureRepositories: Array.from({ length: 20 }, (_, n) => ({ ...azure, repoPath: `/a${n}` })),
      }),
      "s3Repositories: has 40 repositories (at most 32",
    ],
    ["named with a slash", spec({ name: "a/b" }), 'name: "a/b" cannot name a stanza'],
    ["named with a space", spec({ name: "my pg" }), 'name: "my pg" cannot name a stanza'],
    ["named like the parent folder", spec({ name: ".." }), 'name: ".." cannot name'],
    ["named with a line break", spec({ name: "a\nb" }), 'name: "a\\nb" cannot name'],
    ["named like an option", spec({ name: "-x" }), 'name: "-x" cannot name'],
    ["with a relative path", inS3({ repoPath: "pg" }), "s3Repositories[0].repoPath: does not begin with a slash"],
    ["in the root", inS3({ repoPath: "/" }), "s3Repositories[0].repoPath: is the root"],
    ["with a path upwards", inS3({ repoPath: "/a/../b" }), 's3Repositories[0].repoPath: has a part that is empty, "."'],
    ["with an empty part of a path", inAzure({ repoPath: "/a//b" }), "azureRepositories[0].repoPath: has a part"],
    ["with a path that ends in two slashes", inS3({ repoPath: "/a//" }), "s3Repositories[0].repoPath: has a part"],
    ["with a space in the path", inS3({ repoPath: "/my pg" }), "s3Repositories[0].repoPath: holds spaces"],
    ["with a NUL in the path", inS3({ repoPath: "/a\0b" }), "s3Repositories[0].repoPath: holds spaces"],
    ["with a long path", inS3({ repoPath: `/${"x".repeat(600)}` }), "s3Repositories[0].repoPath: is longer than 512"],
    [
      "with one place twice",
      spec({ s3Repositories: [s3, { ...s3, repoPath: "/pg/", endpoint: "https://MINIO:9000/" }] }),
      "s3Repositories[1].repoPath: the same place as s3Repositories[0]",
    ],
    [
      "with one place twice in Azure",
      spec({ azureRepositories: [azure, { ...azure, endpoint: "blob.core.windows.net" }] }),
      "azureRepositories[1].repoPath: the same place as azureRepositories[0]",
    ],
    [
      "with http",
      inS3({ endpoint: "http://minio:9000" }),
      "s3Repositories[0].endpoint: http without TLS needs pgBackRest 2.58, and the image has 2.55",
    ],
    [
      "with http in Azure",
      inAzure({ endpoint: "http://azurite:10000" }),
      "azureRepositories[0].endpoint: http without",
    ],
    ["with another protocol", inS3({ endpoint: "s3://minio" }), "s3Repositories[0].endpoint: not a host"],
    ["with an endpoint with a path", inS3({ endpoint: "https://minio:9000/backups" }), ".endpoint: has a path"],
    ["with a login in the endpoint", inS3({ endpoint: "https://me:hunter2@minio" }), ".endpoint: not a host"],
    ["with a query in the endpoint", inS3({ endpoint: "minio?x=1" }), ".endpoint: not a host"],
    ["with a port that is none", inS3({ endpoint: "minio:99999" }), ".endpoint: not a host"],
    ["with a space in the endpoint", inS3({ endpoint: "mi nio" }), ".endpoint: not a host"],
    ["with a bucket's URL", inS3({ bucket: "s3://backups" }), "s3Repositories[0].bucket: not the name of a bucket"],
    [
      "with a dotted bucket",
      inS3({ bucket: "my.backups", uriStyle: "path" }),
      "s3Repositories[0].bucket: pgBackRest 2.55",
    ],
    ["with a region with a space", inS3({ region: "us east" }), "s3Repositories[0].region: not the name of a region"],
    [
      "with half a login",
      inS3({ secretRef: { accessKeyId: key("ID") } }),
      ".secretRef.secretAccessKey: secretAccessKey is missing",
    ],
    [
      "with the other half",
      inS3({ secretRef: { secretAccessKey: key("S") } }),
      ".secretRef.accessKeyId: accessKeyId is missing",
    ],
    ["with an empty login", inS3({ secretRef: {} }), "s3Repositories[0].secretRef: names no key"],
    [
      "with a secret where its key's name belongs",
      inS3({ secretRef: { ...secretRef, accessKeyId: { name: "login", key: "abc+/=" } } }),
      ".secretRef.accessKeyId.key: cannot be a key of a Secret",
    ],
    [
      "with a CA in another namespace",
      inS3({ endpointCA: { name: "other/ca", key: "ca.crt" } }),
      ".endpointCA.name: cannot be",
    ],
    [
      "with a passphrase in clear text",
      inS3({ cipherConfig: { encryptionPass: { name: "My Passphrase!", key: "x" } } }),
      ".cipherConfig.encryptionPass.name: cannot be the name of a Secret",
    ],
    [
      "with an account's address",
      inAzure({ account: "a.blob.core.windows.net" }),
      ".account: not the name of a storage",
    ],
    ["with a container in capitals", inAzure({ container: "Backups" }), ".container: not the name of a container"],
    ["with a managed identity", inAzure({ keyType: "auto" }), ".keyType: the managed identity needs pgBackRest 2.58"],
    [
      "with a managed identity and no login",
      inAzure({ keyType: "auto", secretRef: undefined }),
      ".keyType: the managed",
    ],
    ["without a shared key", inAzure({ secretRef: undefined }), ".secretRef.keyReference: no login: keyType is shared"],
    [
      "without a signature",
      inAzure({ keyType: "sas", secretRef: {} }),
      ".secretRef.keyReference: no login: keyType is sas",
    ],
    [
      "with a level that gz has not",
      spec({ compressConfig: { level: 10 } }),
      "compressConfig.level: 10 is no level of gz, which",
    ],
    [
      "with a level of bz2 below 1",
      spec({ compressConfig: { type: "bz2", level: 0 } }),
      "level: 0 is no level of bz2 (write 1 to 9)",
    ],
    [
      "with a level of lz4 above 12",
      spec({ compressConfig: { type: "lz4", level: 13 } }),
      "13 is no level of lz4 (write -5 to 12)",
    ],
    [
      "with a level of none",
      spec({ compressConfig: { type: "none", level: 1 } }),
      "compressConfig.level: none has no level",
    ],
    ["with a kind of full and no full", kept({ fullType: "time" }), "retentionPolicy.fullType: goes with full"],
    [
      "with a kind of archive and no archive",
      kept({ full: 2, archiveType: "diff" }),
      ".archiveType: goes with archive",
    ],
    ["with WAL for diffs that nothing removes", kept({ archive: 2, archiveType: "diff" }), ".archive: nothing removes"],
    [
      "with a queue of nothing",
      spec({ archive: { pushQueueMax: "0B" } }),
      "archive.pushQueueMax: WAL would be given up whenever a repository fails",
    ],
    [
      "with a queue of 0GiB",
      spec({ archive: { pushQueueMax: "0GiB" } }),
      "archive.pushQueueMax: WAL would be given up",
    ],
    [
      "with a queue beyond counting",
      spec({ archive: { pushQueueMax: "999999TiB" } }),
      "archive.pushQueueMax: more than",
    ],
    [
      "with a get queue beyond counting",
      spec({ archive: { getQueueMax: "9999 PiB" } }),
      "archive.getQueueMax: more than",
    ],
    [
      "with a class that is none",
      spec({ archive: { spool: { size: "1Gi", storageClass: "My Class" } } }),
      "archive.spool.storageClass",
    ],
    [
      "with a full every century",
      spec({}, { backup: { fullEvery: "99999w" } }),
      "spec.backup.fullEvery: longer than 100 years",
    ],
  ])("%s", (_, given, said) => {
    const found = problems(given);
    expect(found).toEqual([expect.stringContaining(said)]);
    expect(found.join()).not.toMatch(/hunter2|abc\+|Passphrase!/);
  });

  it("for all that is wrong at once", () => {
    const given = spec({
      name: "a/b",
      s3Repositories: [{ ...s3, repoPath: "pg", endpoint: "http://minio" }],
      compressConfig: { level: 99 },
    });
    expect(stanzaProblems(given).map(({ field }) => field.replace(/^.*\./, ""))).toEqual([
      "name",
      "endpoint",
      "repoPath",
      "level",
    ]);
  });
});

describe("a Stanza is accepted with a word", () => {
  const full = { retentionPolicy: { full: 2 } };
  it.each<[string, StanzaSpec, readonly string[]]>([
    ["that keeps everything", kept({}), ["retentionPolicy.full: is not given", "spec.retention.mode: is Preview"]],
    ["without a retention policy", spec(), ["s3Repositories[0].retentionPolicy.full: is not given, so no full backup"]],
    ["that only says what it would remove", inS3(full), ["spec.retention.mode: is Preview"]],
    [
      "that removes",
      spec({ s3Repositories: [{ ...s3, ...full }] }, { retention: { mode: "Enforce" } }),
      ["spec.retention.mode: is Enforce: pgBackRest removes"],
    ],
    [
      "that would remove, and has nothing to go by",
      spec({}, { retention: { mode: "Enforce" } }),
      ["retentionPolicy.full", "spec.retention.mode: has no effect"],
    ],
    [
      "that keeps less WAL than backups",
      kept({ full: 7, archive: 2 }),
      [".archive: the 2 newest full backups reach", "Preview"],
    ],
    [
      "that keeps more WAL than backups",
      kept({ full: 2, archive: 7 }),
      [".archive: more than full, which is 2", "Preview"],
    ],
    ["that verifies nothing", inS3({ ...full, verifyTLS: false }), [".verifyTLS: is false", "Preview"]],
    [
      "that verifies nothing against an authority",
      inS3({ ...full, verifyTLS: false, endpointCA: key("ca") }),
      [".verifyTLS: is false", ".endpointCA: has no effect", "Preview"],
    ],
    [
      "that has all its repositories on one endpoint, however it is written",
      spec({
        s3Repositories: [
          { ...s3, ...full },
          { ...s3, ...full, repoPath: "/2", endpoint: "https://minio:9000" },
          { ...s3, ...full, bucket: "other", endpoint: "minio:9000/" },
        ],
      }),
      ["spec.stanzaConfiguration: repositories 1, 2 and 3 are on one endpoint: they are lost together", "Preview"],
    ],
    [
      "that has one of three elsewhere, and two of Azure's by path",
      spec({
        s3Repositories: [{ ...s3, ...full }],
        azureRepositories: ["account1", "account2"].map((account) => ({
          ...azure,
          ...full,
          account,
          endpoint: "azurite:10000",
          uriStyle: "path",
        })),
      }),
      ["repositories 2 and 3 are on one endpoint", "Preview"],
    ],
    [
      "that has them in two regions of Amazon, and in two of Azure's accounts",
      spec({
        s3Repositories: ["eu-west-3", "eu-central-1"].map((region) => ({
          ...s3,
          ...full,
          repoPath: `/${region}`,
          endpoint: `s3.${region}.amazonaws.com`,
          region,
        })),
        azureRepositories: ["account1", "account2"].map((account) => ({ ...azure, ...full, account })),
      }),
      ["Preview"],
    ],
    [
      "that gives WAL up",
      spec({ s3Repositories: [{ ...s3, ...full }], archive: { pushQueueMax: "1GiB" } }),
      [".pushQueueMax: WAL beyond it is given up in a repository that does not take it", "Preview"],
    ],
    [
      "with variables that change nothing",
      spec({
        s3Repositories: [{ ...s3, ...full }],
        customEnvVar: {
          PGBACKREST_ARCHIVE_TIMEOUT: "2m",
          PGBACKREST_REPO1_HARDLINK: "y",
          PGBACKREST_BUFFER_SIZE: "4096KB",
          PGBACKREST_REPO1_BUNDLE_SIZE: "20m",
        },
      }),
      [
        "PGBACKREST_ARCHIVE_TIMEOUT: has no effect: Holdfast waits",
        "PGBACKREST_REPO1_HARDLINK: has no effect",
        "Preview",
      ],
    ],
    [
      "that would fetch more ahead than is ever held",
      spec({ s3Repositories: [{ ...s3, ...full }], archive: { getQueueMax: "257MiB", spool: { size: "5Gi" } } }),
      [".getQueueMax: no more than 256MiB is fetched ahead, and no more segments than processMax", "Preview"],
    ],
    [
      "that may fetch ahead as much as is held, whatever the spool holds",
      spec({ s3Repositories: [{ ...s3, ...full }], archive: { getQueueMax: "256MiB", spool: { size: "64Mi" } } }),
      ["Preview"],
    ],
  ])("%s", (_, given, said) => {
    const warnings = stanzaWarnings(given);
    expect(stanzaProblems(given)).toEqual([]);
    expect(warnings).toEqual(said.map((text) => expect.stringContaining(text)));
    expect(warnings.filter((text) => Buffer.byteLength(text) > 256)).toEqual([]);
  });
});

it("no variable may name a file or a folder of the pod that reads it", () => {
  const names = [
    ...generalOptions,
    ...[...repositoryOptions].map(([name, setter]) => [`repo1-${name}`, setter] as const),
  ]
    .filter(([name]) => /(^|-)(path|file|config|cmd|command|host)($|-)/.test(name))
    .map(([name]) => `PGBACKREST_${name.toUpperCase().replaceAll("-", "_")}`);
  expect(names.length).toBeGreaterThan(20);
  for (const name of names) {
    const found = variableProblems({ [name]: "/etc/passwd" }, { s3: 1, azure: 0 });
    expect(found, name).toHaveLength(1);
    expect(found[0]?.message, name).not.toContain("value");
  }
});
