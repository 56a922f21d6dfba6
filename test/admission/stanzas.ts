// Stanzas that must not be stored: each with the paths, and where it matters the words, that its refusal has.
import type { RefusedSpec } from "./stores.ts";

type Changes = Readonly<Record<string, unknown>>;

const key = (name: string) => ({ name: "stanza", key: name });
const secretRef = { accessKeyId: key("ID"), secretAccessKey: key("SECRET") };
const repository: Changes = {
  bucket: "backups",
  endpoint: "minio:9000",
  region: "us-east-1",
  repoPath: "/pg",
  uriStyle: "path",
  secretRef,
};
const azure: Changes = {
  account: "account1",
  container: "backups",
  repoPath: "/pg",
  secretRef: { keyReference: key("KEY") },
};
export const goodStanzaConfiguration: Changes = { name: "main", s3Repositories: [repository] };

const root = "spec.stanzaConfiguration";

/** With these fields in place of the good ones; undefined takes one away. */
const configured = (what: string, changes: Changes, ...named: readonly string[]): RefusedSpec => ({
  what,
  spec: { stanzaConfiguration: { ...goodStanzaConfiguration, ...changes } },
  named: named.map((name) => (name.startsWith("=") ? name.slice(1) : `${root}.${name}`)),
});
const inS3 = (what: string, changes: Changes, ...named: readonly string[]): RefusedSpec =>
  configured(
    what,
    { s3Repositories: [{ ...repository, ...changes }] },
    ...named.map((name) => (name.startsWith("=") ? name : `s3Repositories[0].${name}`)),
  );
const inAzure = (what: string, changes: Changes, ...named: readonly string[]): RefusedSpec =>
  configured(
    what,
    { azureRepositories: [{ ...azure, ...changes }] },
    ...named.map((name) => (name.startsWith("=") ? name : `azureRepositories[0].${name}`)),
  );
const beside = (what: string, changes: Changes, ...named: readonly string[]): RefusedSpec => ({
  what,
  spec: { stanzaConfiguration: goodStanzaConfiguration, ...changes },
  named: named.map((name) => `spec.${name}`),
});
const variable = (what: string, name: string, value: unknown, ...words: readonly string[]): RefusedSpec =>
  configured(what, { customEnvVar: { [name]: value } }, `customEnvVar.${name}`, ...words.map((word) => `=${word}`));

const shapes: readonly RefusedSpec[] = [
  { what: "no spec", spec: undefined, named: ["spec"] },
  { what: "an empty spec", spec: {}, named: [root] },
  { what: "a spec that is a list", spec: [], named: ["spec"] },
  { what: "the configuration as a text", spec: { stanzaConfiguration: "main" }, named: [root] },
  configured("no name", { name: undefined }, "name"),
  configured("an empty name", { name: "" }, "name"),
  configured("a name that is a number", { name: 7 }, "name"),
  configured("repositories as an object", { s3Repositories: repository }, "s3Repositories"),
  configured("a repository that is a text", { s3Repositories: ["backups"] }, "s3Repositories[0]"),
  inS3("no bucket", { bucket: undefined }, "bucket"),
  inS3("no endpoint", { endpoint: undefined }, "endpoint"),
  inS3("no region", { region: undefined }, "region"),
  inS3("no path", { repoPath: undefined }, "repoPath"),
  inS3("a port of its own", { port: 9000 }, "port"),
  inS3("verifyTLS in other capitals", { verifyTls: false }, "verifyTls", "=did you mean verifyTLS?"),
  inS3("verifyTLS as a text", { verifyTLS: "false" }, "verifyTLS"),
  inS3("a key in clear text", { secretRef: { ...secretRef, secretKey: "hunter2" } }, "secretRef.secretKey"),
  inS3("a selector as a text", { secretRef: { ...secretRef, accessKeyId: "ID" } }, "secretRef.accessKeyId"),
  inS3(
    "a selector without a key",
    { secretRef: { ...secretRef, accessKeyId: { name: "a" } } },
    "secretRef.accessKeyId.key",
  ),
  inS3("a uriStyle that nobody has", { uriStyle: "virtual" }, "uriStyle"),
  inS3("no full backups to keep", { retentionPolicy: { full: 0 } }, "retentionPolicy.full"),
  inS3("retention as a text", { retentionPolicy: { full: "7" } }, "retentionPolicy.full"),
  inS3("retention in Barman's words", { retentionPolicy: "30d" }, "retentionPolicy"),
  inS3("a misspelt retention", { retentionPolicy: { ful: 7 } }, "retentionPolicy.ful", "=did you mean full?"),
  inS3("a cipher without a passphrase", { cipherConfig: { type: "aes-256-cbc" } }, "cipherConfig.encryptionPass"),
  inS3("another cipher", { cipherConfig: { type: "aes-128", encryptionPass: key("P") } }, "cipherConfig.type"),
  inAzure("no account", { account: undefined }, "account"),
  inAzure("a kind of key that nobody has", { keyType: "token" }, "keyType"),
  configured("repositories in Google", { gcsRepositories: [{}] }, "gcsRepositories"),
  configured("no processes", { processMax: 0 }, "processMax"),
  configured("a thousand processes", { processMax: 1000 }, "processMax"),
  configured("a misspelt option", { archiv: { async: true } }, "archiv"),
  configured("async as a text", { archive: { async: "y" } }, "archive.async"),
  configured("a queue in words", { archive: { pushQueueMax: "100 GB" } }, "archive.pushQueueMax", "=100GiB"),
  configured("a spool without a size", { archive: { spool: {} } }, "archive.spool.size"),
  configured("a spool of nothing", { archive: { spool: { size: "0Gi" } } }, "archive.spool.size"),
  configured("a compression that nobody has", { compressConfig: { type: "zstd" } }, "compressConfig.type"),
  configured("a level beyond any", { compressConfig: { type: "zst", level: 99 } }, "compressConfig.level"),
  configured("a log level of the sidecar's", { logLevel: "warning" }, "logLevel"),
  beside("a retention mode that nobody has", { retention: { mode: "Delete" } }, "retention.mode"),
  beside("a full in hours", { backup: { fullEvery: "24h" } }, "backup.fullEvery"),
  beside("a chain of nothing", { backup: { chainMax: 0 } }, "backup.chainMax"),
  beside(
    "a variable that Kubernetes refuses",
    { instanceSidecarConfiguration: { env: [{ name: "A B", value: "1" }] } },
    "instanceSidecarConfiguration.env[0].name",
  ),
  beside(
    "a quantity that is none",
    { instanceSidecarConfiguration: { resources: { limits: { memory: "much" } } } },
    "instanceSidecarConfiguration.resources.limits.memory",
  ),
];

const meanings: readonly RefusedSpec[] = [
  configured("no repository", { s3Repositories: undefined }, "s3Repositories", "=a Stanza needs a repository"),
  configured("a name with a slash", { name: "db/pg" }, "name", "=cannot name a stanza"),
  configured("a name with a space", { name: "my pg" }, "name", "=cannot name a stanza"),
  configured("the parent as a name", { name: ".." }, "name", "=cannot name a stanza"),
  inS3("a relative path", { repoPath: "pg" }, "repoPath", "=write an absolute path"),
  inS3("the root", { repoPath: "/" }, "repoPath", "=is the root"),
  inS3("a path upwards", { repoPath: "/a/../b" }, "repoPath"),
  inS3("a path with an empty part", { repoPath: "/a//b" }, "repoPath"),
  inS3("http", { endpoint: "http://minio:9000" }, "endpoint", "=needs pgBackRest 2.58, and the image has 2.55"),
  inS3("an endpoint with a path", { endpoint: "https://minio/backups" }, "endpoint", "=has a path"),
  inS3("a login in the endpoint", { endpoint: "https://me:hunter2@minio" }, "endpoint", "=not a host"),
  inS3("an endpoint with spaces", { endpoint: "our minio" }, "endpoint"),
  inS3("a bucket's URL", { bucket: "s3://backups" }, "bucket"),
  inS3("a dotted bucket with TLS", { bucket: "my.backups" }, "bucket", "=without dots"),
  inS3("a region with a space", { region: "us east 1" }, "region"),
  inS3("half a key pair", { secretRef: { accessKeyId: key("ID") } }, "secretRef.secretAccessKey", "=come in pairs"),
  inS3("the other half", { secretRef: { secretAccessKey: key("ID") } }, "secretRef.accessKeyId"),
  inS3("an empty login", { secretRef: {} }, "secretRef", "=names no key"),
  inS3(
    "a Secret in capitals",
    { secretRef: { ...secretRef, accessKeyId: { name: "Main", key: "ID" } } },
    "secretRef.accessKeyId.name",
  ),
  inS3(
    "a passphrase for its Secret's name",
    { cipherConfig: { encryptionPass: { name: "hunter2!", key: "x" } } },
    "cipherConfig.encryptionPass.name",
  ),
  inS3("a CA in another namespace", { endpointCA: { name: "other/ca", key: "ca.crt" } }, "endpointCA.name"),
  inS3(
    "a unit without a number",
    { retentionPolicy: { fullType: "time" } },
    "retentionPolicy.fullType",
    "=goes with full",
  ),
  inS3("a kind of nothing", { retentionPolicy: { full: 2, archiveType: "incr" } }, "retentionPolicy.archiveType"),
  configured(
    "a place twice",
    { s3Repositories: [repository, { ...repository, repoPath: "/pg/" }] },
    "s3Repositories[1].repoPath",
    "=the same place as s3Repositories[0]",
  ),
  inAzure("a managed identity", { keyType: "auto" }, "keyType", "=needs pgBackRest 2.58"),
  inAzure("no login", { secretRef: undefined }, "secretRef.keyReference", "=no login"),
  inAzure("an account's address", { account: "a.blob.core.windows.net" }, "account"),
  inAzure("a container in capitals", { container: "Backups" }, "container"),
  configured("a queue of nothing", { archive: { pushQueueMax: "0B" } }, "archive.pushQueueMax", "=given up"),
  configured("a level of bz2 that there is not", { compressConfig: { type: "bz2", level: 0 } }, "compressConfig.level"),
  configured("a level of nothing", { compressConfig: { type: "none", level: 1 } }, "compressConfig.level"),
  beside("a full every 2000 years", { backup: { fullEvery: "99999w" } }, "backup.fullEvery"),
];

const variables: readonly RefusedSpec[] = [
  variable("a variable of the loader", "LD_PRELOAD", "/x", "not an option of pgBackRest"),
  variable("a login of Amazon", "AWS_SECRET_ACCESS_KEY", "hunter2", "not an option of pgBackRest"),
  variable("a passphrase as a variable", "PGBACKREST_REPO1_CIPHER_PASS", "hunter2", "cipherConfig.encryptionPass"),
  variable("a key as a variable", "PGBACKREST_REPO1_S3_KEY_SECRET", "hunter2", "secretRef.secretAccessKey"),
  variable("a token as a variable", "PGBACKREST_REPO1_S3_TOKEN", "hunter2", "holds a secret"),
  variable("verification off by a variable", "PGBACKREST_REPO1_STORAGE_VERIFY_TLS", "n", "s3Repositories[0].verifyTLS"),
  variable("a kind of repository by a variable", "PGBACKREST_REPO1_TYPE", "posix", "Holdfast sets it itself"),
  variable("a database by a variable", "PGBACKREST_PG1_PATH", "/x", "Holdfast sets it itself"),
  variable("a target by a variable", "PGBACKREST_TARGET", "x", "goes with one run of a command"),
  variable("an option of a newer version", "PGBACKREST_PRIORITY", "5", "needs pgBackRest 2.58"),
  variable("a misspelt option as a variable", "PGBACKREST_IO_TIMEOT", "60", "did you mean PGBACKREST_IO_TIMEOUT?"),
  variable("a negation", "PGBACKREST_NO_RESUME", "y", "write =n"),
  variable("a flag in other words", "PGBACKREST_RESUME", "true", "y or n"),
  variable("a variable of a repository that is not there", "PGBACKREST_REPO2_BUNDLE", "y", "there is no repository 2"),
  variable("an empty variable", "PGBACKREST_IO_TIMEOUT", "", "has no value"),
  variable("a variable that is a number", "PGBACKREST_IO_TIMEOUT", 60),
];

export const refusedStanzas: readonly RefusedSpec[] = [...shapes, ...meanings, ...variables];
