// ObjectStores that must not be stored: each with the paths that its refusal names. Run against an API server alone and
// against the cluster.

export interface RefusedSpec {
  readonly what: string;
  readonly spec: unknown;
  /** Each stands in the refusal. */
  readonly named: readonly string[];
}

type Changes = Readonly<Record<string, unknown>>;

const key = (name: string) => ({ name: "minio", key: name });
export const keys = { accessKeyId: key("ACCESS_KEY_ID"), secretAccessKey: key("ACCESS_SECRET_KEY") };
export const goodConfiguration: Changes = {
  destinationPath: "s3://backups/",
  endpointURL: "http://minio:9000",
  s3Credentials: keys,
};

/** With these fields of spec.configuration in place of the good ones; undefined takes one away. */
const configured = (what: string, changes: Changes, ...named: readonly string[]): RefusedSpec => ({
  what,
  spec: { configuration: { ...goodConfiguration, ...changes } },
  named: named.map((name) => (name.startsWith("spec") ? name : `spec.configuration.${name}`)),
});

/** With these fields of spec beside a good configuration. */
const beside = (what: string, changes: Changes, ...named: readonly string[]): RefusedSpec => ({
  what,
  spec: { configuration: goodConfiguration, ...changes },
  named: named.map((name) => `spec.${name}`),
});

const long = (length: number): string => "x".repeat(length);

const shapes: readonly RefusedSpec[] = [
  { what: "no spec", spec: undefined, named: ["spec"] },
  { what: "a spec that is a text", spec: "s3://backups/", named: ["spec"] },
  { what: "a spec that is a list", spec: [], named: ["spec"] },
  { what: "a spec that is a number", spec: 7, named: ["spec"] },
  { what: "an empty spec", spec: {}, named: ["spec.configuration"] },
  { what: "a configuration that is a text", spec: { configuration: "s3://b" }, named: ["spec.configuration"] },
  { what: "a configuration that is a list", spec: { configuration: [] }, named: ["spec.configuration"] },
  { what: "an empty configuration", spec: { configuration: {} }, named: ["spec.configuration.destinationPath"] },
  { what: "fields one level too high", spec: goodConfiguration, named: ["spec.configuration"] },
];

const unknownFields: readonly RefusedSpec[] = [
  beside("an unknown field of spec", { compression: "gzip" }, "compression"),
  beside("spec.retentionPolicy misspelt", { retentionPolice: "30d" }, "retentionPolice"),
  beside("spec.retention misspelt", { retentions: { minimumBackups: 2 } }, "retentions"),
  beside("an unknown field of retention", { retention: { minimumBackup: 2 } }, "retention.minimumBackup"),
  beside("instanceSidecarConfiguration misspelt", { instanceSidecarConfig: {} }, "instanceSidecarConfig"),
  beside(
    "an unknown field of the sidecar",
    { instanceSidecarConfiguration: { loglevel: "debug" } },
    "instanceSidecarConfiguration.loglevel",
  ),
  beside(
    "an unknown field of a variable",
    { instanceSidecarConfiguration: { env: [{ name: "A", val: "1" }] } },
    "instanceSidecarConfiguration.env[0].val",
  ),
  beside(
    "an unknown field of resources",
    { instanceSidecarConfiguration: { resources: { request: { cpu: "1" } } } },
    "instanceSidecarConfiguration.resources.request",
  ),
  configured("destinationPath misspelt beside the right one", { destinationPaht: "s3://b" }, "destinationPaht"),
  configured("endpointUrl in other capitals", { endpointUrl: "http://minio:9000" }, "endpointUrl"),
  configured("the endpoint's name in S2", { endpoint: "http://minio:9000" }, "endpoint"),
  configured("a bucket of its own", { bucket: "backups" }, "bucket"),
  configured("serverName in the store", { serverName: "pg" }, "serverName"),
  configured("a misspelt wal", { wall: { compression: "gzip" } }, "wall"),
  configured("a misspelt compression of WAL", { wal: { compresion: "gzip" } }, "wal.compresion"),
  configured("a misspelt maxParallel", { wal: { maxParalel: 4 } }, "wal.maxParalel"),
  configured("an option of backups in wal", { wal: { jobs: 2 } }, "wal.jobs"),
  configured("a misspelt compression of data", { data: { compress: "gzip" } }, "data.compress"),
  configured("an option of WAL in data", { data: { maxParallel: 2 } }, "data.maxParallel"),
  configured("a misspelt immediateCheckpoint", { data: { immediateCheckpoints: true } }, "data.immediateCheckpoints"),
  configured("a misspelt key id", { s3Credentials: { ...keys, accessKeyID: key("A") } }, "s3Credentials.accessKeyID"),
  configured("a key in clear text", { s3Credentials: { ...keys, secretKey: "hunter2" } }, "s3Credentials.secretKey"),
  configured(
    "an unknown field of a selector",
    { s3Credentials: { ...keys, accessKeyId: { ...key("A"), namespace: "other" } } },
    "s3Credentials.accessKeyId.namespace",
  ),
  configured(
    "an unknown field of endpointCA",
    { endpointCA: { ...key("ca.crt"), optional: true } },
    "endpointCA.optional",
  ),
  configured("a field with an odd name", { 'we"ird/na~me': 1 }, "spec.configuration["),
  configured("a field with an empty name", { "": 1 }, "spec.configuration["),
  configured("a field named like a prototype", { constructor: {} }, "constructor"),
  configured("a field with a very long name", { [long(5_000)]: 1 }, "spec.configuration.xxxx"),
  configured("three mistakes at once", { wal: { a: 1 }, data: { b: 1 }, c: 1 }, "wal.a", "data.b", "c"),
];

const types: readonly RefusedSpec[] = [
  configured("a destination that is a number", { destinationPath: 7 }, "destinationPath"),
  configured("a destination that is null", { destinationPath: null }, "destinationPath"),
  configured("a destination that is a list", { destinationPath: ["s3://b"] }, "destinationPath"),
  configured("an endpoint that is an object", { endpointURL: { host: "minio" } }, "endpointURL"),
  configured("credentials that are a text", { s3Credentials: "minio" }, "s3Credentials"),
  configured(
    "a selector that is a text",
    { s3Credentials: { ...keys, accessKeyId: "minio" } },
    "s3Credentials.accessKeyId",
  ),
  configured(
    "a selector's key as a number",
    { s3Credentials: { ...keys, accessKeyId: { name: "m", key: 1 } } },
    "s3Credentials.accessKeyId.key",
  ),
  configured(
    "inheritFromIAMRole as a text",
    { s3Credentials: { inheritFromIAMRole: "true" } },
    "s3Credentials.inheritFromIAMRole",
  ),
  configured("wal as a text", { wal: "gzip" }, "wal"),
  configured("wal as a list", { wal: [{ compression: "gzip" }] }, "wal"),
  configured("a compression that is a flag", { wal: { compression: true } }, "wal.compression"),
  configured("maxParallel as a text", { wal: { maxParallel: "4" } }, "wal.maxParallel"),
  configured("maxParallel as a fraction", { wal: { maxParallel: 1.5 } }, "wal.maxParallel"),
  configured("jobs as a text", { data: { jobs: "two" } }, "data.jobs"),
  configured("immediateCheckpoint as a text", { data: { immediateCheckpoint: "yes" } }, "data.immediateCheckpoint"),
  configured(
    "arguments as one text",
    { data: { additionalCommandArgs: "--read-timeout=60" } },
    "data.additionalCommandArgs",
  ),
  configured("arguments that are numbers", { data: { additionalCommandArgs: [60] } }, "data.additionalCommandArgs[0]"),
  configured("tags as a list", { tags: ["team"] }, "tags"),
  configured("a tag that is a number", { tags: { team: 7 } }, "tags.team"),
  configured("a history tag that is an object", { historyTags: { team: {} } }, "historyTags.team"),
  beside("a retention policy that is a number", { retentionPolicy: 30 }, "retentionPolicy"),
  beside("retention as a text", { retention: "30d" }, "retention"),
  beside("minimumBackups as a text", { retention: { minimumBackups: "2" } }, "retention.minimumBackups"),
  beside(
    "a sidecar's env as an object",
    { instanceSidecarConfiguration: { env: { A: "1" } } },
    "instanceSidecarConfiguration.env",
  ),
  beside(
    "a variable that is a number",
    { instanceSidecarConfiguration: { env: [{ name: "A", value: 1 }] } },
    "instanceSidecarConfiguration.env[0].value",
  ),
  beside(
    "requests as a list",
    { instanceSidecarConfiguration: { resources: { requests: ["1"] } } },
    "instanceSidecarConfiguration.resources.requests",
  ),
];

const values: readonly RefusedSpec[] = [
  configured("a compression that nobody has", { wal: { compression: "zip" } }, "wal.compression"),
  configured("a compression in capitals", { wal: { compression: "GZIP" } }, "wal.compression"),
  configured("none spelt out", { wal: { compression: "none" } }, "wal.compression"),
  configured("an empty compression", { wal: { compression: "" } }, "wal.compression"),
  configured("an encryption that nobody has", { wal: { encryption: "AES128" } }, "wal.encryption"),
  configured("no parallel upload at all", { wal: { maxParallel: 0 } }, "wal.maxParallel"),
  configured("fewer than none", { wal: { maxParallel: -4 } }, "wal.maxParallel"),
  configured("more than any machine has", { wal: { maxParallel: 1_000 } }, "wal.maxParallel"),
  configured("zstd for base backups", { data: { compression: "zstd" } }, "data.compression"),
  configured("an encryption of data that nobody has", { data: { encryption: "aes" } }, "data.encryption"),
  configured("no jobs", { data: { jobs: 0 } }, "data.jobs"),
  configured("a hundred thousand jobs", { data: { jobs: 100_000 } }, "data.jobs"),
  beside("a retention policy without a unit", { retentionPolicy: "30" }, "retentionPolicy"),
  beside("a retention policy of no days", { retentionPolicy: "0d" }, "retentionPolicy"),
  beside("a negative retention policy", { retentionPolicy: "-7d" }, "retentionPolicy"),
  beside("a retention policy in years", { retentionPolicy: "1y" }, "retentionPolicy"),
  beside("a retention policy in words", { retentionPolicy: "RECOVERY WINDOW OF 7 DAYS" }, "retentionPolicy"),
  beside("an empty retention policy", { retentionPolicy: "" }, "retentionPolicy"),
  beside("a retention policy that never deletes", { retentionPolicy: "999999d" }, "retentionPolicy"),
  beside("a retention policy of ages", { retentionPolicy: `${"9".repeat(400)}m` }, "retentionPolicy"),
  beside("retention that may delete everything", { retention: { minimumBackups: 0 } }, "retention.minimumBackups"),
  beside("a negative number of backups", { retention: { minimumBackups: -1 } }, "retention.minimumBackups"),
  beside("a retention that is not built yet", { retention: { mode: "Enforce" } }, "retention.mode"),
  beside("a retention mode that nobody has", { retention: { mode: "preview" } }, "retention.mode"),
  beside(
    "backups beyond counting",
    { retentionPolicy: "7d", retention: { minimumBackups: 1_000_000 } },
    "retention.minimumBackups",
  ),
];

const places: readonly RefusedSpec[] = [
  configured("a destination that is empty", { destinationPath: "" }, "destinationPath"),
  configured("a destination without a scheme", { destinationPath: "backups/pg" }, "destinationPath"),
  configured("a destination without a bucket", { destinationPath: "s3:///pg" }, "destinationPath"),
  configured("S3 in capitals", { destinationPath: "S3://backups/" }, "destinationPath"),
  configured("one slash", { destinationPath: "s3:/backups" }, "destinationPath"),
  configured("a bucket of Google", { destinationPath: "gs://backups/" }, "destinationPath"),
  configured("a container of Azure", { destinationPath: "https://a.blob.core.windows.net/c" }, "destinationPath"),
  configured("a file", { destinationPath: "file:///backups" }, "destinationPath"),
  configured("a login in the destination", { destinationPath: "s3://me:hunter2@backups/" }, "destinationPath"),
  configured("a query in the destination", { destinationPath: "s3://backups/?versionId=1" }, "destinationPath"),
  configured("a fragment in the destination", { destinationPath: "s3://backups/#pg" }, "destinationPath"),
  configured("a bucket with a space", { destinationPath: "s3://my backups/" }, "destinationPath"),
  configured("a bucket of two letters", { destinationPath: "s3://ab/" }, "destinationPath"),
  configured("a bucket that ends in a dot", { destinationPath: "s3://backups./" }, "destinationPath"),
  configured("a bucket of 64 letters", { destinationPath: `s3://${"b".repeat(64)}/` }, "destinationPath"),
  configured("a path upwards", { destinationPath: "s3://backups/../other/" }, "destinationPath"),
  configured("a path with a dot", { destinationPath: "s3://backups/./pg" }, "destinationPath"),
  configured("a path with an empty part", { destinationPath: "s3://backups/a//b" }, "destinationPath"),
  configured("a path with a space", { destinationPath: "s3://backups/my pg/" }, "destinationPath"),
  configured("a path with a line break", { destinationPath: "s3://backups/a\nb/" }, "destinationPath"),
  configured("a path with a NUL", { destinationPath: "s3://backups/a\0b/" }, "destinationPath"),
  configured("a path with a backslash", { destinationPath: "s3://backups/a\\b/" }, "destinationPath"),
  configured("a path with a direction mark", { destinationPath: "s3://backups/a\u202Eb/" }, "destinationPath"),
  configured("a path longer than a key", { destinationPath: `s3://backups/${long(1_500)}` }, "destinationPath"),
  configured("an endpoint without a scheme", { endpointURL: "minio:9000" }, "endpointURL"),
  configured("an endpoint that is a host", { endpointURL: "bucket.us-east1.linodeobjects.com" }, "endpointURL"),
  configured("an endpoint that is empty", { endpointURL: "" }, "endpointURL"),
  configured("an endpoint of another protocol", { endpointURL: "ftp://minio:9000" }, "endpointURL"),
  configured("an endpoint with a login", { endpointURL: "http://me:hunter2@minio:9000" }, "endpointURL"),
  configured("an endpoint with a query", { endpointURL: "http://minio:9000/?region=x" }, "endpointURL"),
  configured("an endpoint with a fragment", { endpointURL: "http://minio:9000/#x" }, "endpointURL"),
  configured("a port that is none", { endpointURL: "http://minio:99999" }, "endpointURL"),
  configured("an authority for a line in clear text", { endpointCA: key("ca.crt") }, "endpointCA"),
];

const credentials: readonly RefusedSpec[] = [
  configured("no credentials", { s3Credentials: undefined }, "s3Credentials"),
  configured("empty credentials", { s3Credentials: {} }, "s3Credentials"),
  configured("half a key pair", { s3Credentials: { accessKeyId: keys.accessKeyId } }, "s3Credentials.secretAccessKey"),
  configured("the other half", { s3Credentials: { secretAccessKey: key("s") } }, "s3Credentials.accessKeyId"),
  configured("a session token alone", { s3Credentials: { sessionToken: key("t") } }, "s3Credentials.accessKeyId"),
  configured("a region alone", { s3Credentials: { region: key("r") } }, "s3Credentials"),
  configured("no role and no keys", { s3Credentials: { inheritFromIAMRole: false } }, "s3Credentials"),
  configured("keys beside a role", { s3Credentials: { ...keys, inheritFromIAMRole: true } }, "s3Credentials"),
  configured(
    "a token beside a role",
    { s3Credentials: { sessionToken: key("t"), inheritFromIAMRole: true } },
    "s3Credentials",
  ),
  configured(
    "two clouds",
    { googleCredentials: { gkeEnvironment: true } },
    "spec.configuration: s3Credentials and googleCredentials",
  ),
  configured("three clouds", { googleCredentials: {}, azureCredentials: {} }, "spec.configuration: s3Credentials and"),
  configured("Azure", { s3Credentials: undefined, azureCredentials: { inheritFromAzureAD: true } }, "azureCredentials"),
  configured("Google", { s3Credentials: undefined, googleCredentials: { gkeEnvironment: true } }, "googleCredentials"),
  configured(
    "a selector without a name",
    { s3Credentials: { ...keys, accessKeyId: { key: "A" } } },
    "s3Credentials.accessKeyId",
  ),
  configured(
    "a selector without a key",
    { s3Credentials: { ...keys, accessKeyId: { name: "minio" } } },
    "s3Credentials.accessKeyId",
  ),
  configured(
    "a selector with an empty name",
    { s3Credentials: { ...keys, accessKeyId: { name: "", key: "A" } } },
    "s3Credentials.accessKeyId.name",
  ),
  configured(
    "a Secret with a name in capitals",
    { s3Credentials: { ...keys, accessKeyId: { name: "MinIO", key: "A" } } },
    "s3Credentials.accessKeyId.name",
  ),
  configured(
    "a Secret of another namespace",
    { s3Credentials: { ...keys, accessKeyId: { name: "other/minio", key: "A" } } },
    "s3Credentials.accessKeyId.name",
  ),
  configured(
    "a path upwards as a Secret's name",
    { endpointURL: "https://minio", endpointCA: { name: "../minio", key: "ca.crt" } },
    "endpointCA.name",
  ),
  configured(
    "a secret where its key belongs",
    { s3Credentials: { ...keys, secretAccessKey: { name: "minio", key: "wJalr/XUt+nFEMI=" } } },
    "s3Credentials.secretAccessKey.key",
  ),
  configured(
    "an endpointCA without a key",
    { endpointURL: "https://minio", endpointCA: { name: "minio" } },
    "endpointCA",
  ),
];

const unsupported: readonly RefusedSpec[] = [
  configured("WAL by lz4", { wal: { compression: "lz4" } }, "wal.compression"),
  configured("WAL by xz", { wal: { compression: "xz" } }, "wal.compression"),
  configured("WAL by bzip2", { wal: { compression: "bzip2" } }, "wal.compression"),
  configured("WAL by snappy", { wal: { compression: "snappy" } }, "wal.compression"),
  configured("data by lz4", { data: { compression: "lz4" } }, "data.compression"),
  configured("data by snappy", { data: { compression: "snappy" } }, "data.compression"),
  configured("data by bzip2", { data: { compression: "bzip2" } }, "data.compression"),
  configured(
    "an argument without a counterpart",
    { data: { additionalCommandArgs: ["--max-archive-size=1GB"] } },
    "data.additionalCommandArgs",
  ),
  configured(
    "an argument that names another server",
    { wal: { archiveAdditionalCommandArgs: ["--endpoint-url=http://x"] } },
    "wal.archiveAdditionalCommandArgs",
  ),
  configured(
    "an argument that is no option",
    { wal: { restoreAdditionalCommandArgs: ["rm -rf /"] } },
    "wal.restoreAdditionalCommandArgs",
  ),
  configured(
    "an argument without its value",
    { data: { restoreAdditionalCommandArgs: ["--read-timeout"] } },
    "data.restoreAdditionalCommandArgs",
  ),
  configured(
    "a timeout that is no number",
    { data: { additionalCommandArgs: ["--read-timeout=soon"] } },
    "data.additionalCommandArgs",
  ),
  configured(
    "a size that is none",
    { data: { additionalCommandArgs: ["--min-chunk-size=big"] } },
    "data.additionalCommandArgs",
  ),
  configured(
    "a bandwidth of nothing",
    { data: { additionalCommandArgs: ["--max-bandwidth=0"] } },
    "data.additionalCommandArgs",
  ),
  configured(
    "a negative concurrency",
    { data: { additionalCommandArgs: ["--max-concurrency=-1"] } },
    "data.additionalCommandArgs",
  ),
  beside(
    "arguments of the sidecar",
    { instanceSidecarConfiguration: { additionalContainerArgs: ["--pprof-server=:6060"] } },
    "instanceSidecarConfiguration.additionalContainerArgs",
  ),
];

const tags: readonly RefusedSpec[] = [
  configured("eleven tags", { tags: Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`t${n}`, "x"])) }, "tags"),
  configured("a tag of Amazon's own", { tags: { "aws:team": "dba" } }, "tags."),
  configured("a tag with a line break", { tags: { team: "d\nba" } }, "tags.team"),
  configured("a tag's key of 129 letters", { tags: { [long(129)]: "x" } }, "tags."),
  configured("a tag's value of 257 letters", { historyTags: { team: long(257) } }, "historyTags.team"),
  configured("a tag with an ampersand", { tags: { "a&b": "x" } }, "tags."),
];

const sidecars: readonly RefusedSpec[] = (
  [
    ["a variable with a space in its name", { env: [{ name: "MY VAR" }] }, "env[0].name"],
    ["a variable that begins with a digit", { env: [{ name: "1A" }] }, "env[0].name"],
    ["a variable without a name", { env: [{ value: "1" }] }, "env[0]"],
    ["a variable with an empty name", { env: [{ name: "", value: "1" }] }, "env[0].name"],
    ["a variable twice", { env: [{ name: "A" }, { name: "B" }, { name: "A" }] }, "env[2].name"],
    ["a variable with two values", { env: [{ name: "A", value: "1", valueFrom: { fieldRef: {} } }] }, "env[0]"],
    ["a variable from nowhere", { env: [{ name: "A", valueFrom: {} }] }, "env[0].valueFrom"],
    ["a variable from an unknown source", { env: [{ name: "A", valueFrom: { vault: {} } }] }, "env[0].valueFrom"],
    ["more variables than a pod bears", { env: Array.from({ length: 101 }, (_, n) => ({ name: `A${n}` })) }, "env"],
    ["memory that is no quantity", { resources: { limits: { memory: "lots" } } }, "resources.limits.memory"],
    ["a negative quantity", { resources: { requests: { cpu: "-1" } } }, "resources.requests.cpu"],
    ["a quantity in a unit of no one", { resources: { limits: { memory: "128MB" } } }, "resources.limits.memory"],
    ["a resource that no container has", { resources: { limits: { ram: "1Gi" } } }, "resources.limits.ram"],
    [
      "a request above its limit",
      { resources: { requests: { memory: "1Gi" }, limits: { memory: "512Mi" } } },
      "resources.requests.memory",
    ],
    ["a quantity that is a list", { resources: { limits: { cpu: [1] } } }, "resources.limits.cpu"],
    ["a level that logs have not", { logLevel: "verbose" }, "logLevel"],
    ["an interval of nothing", { retentionPolicyIntervalSeconds: 0 }, "retentionPolicyIntervalSeconds"],
    ["a negative interval", { retentionPolicyIntervalSeconds: -5 }, "retentionPolicyIntervalSeconds"],
  ] as const
).map(([what, settings, name]) =>
  beside(what, { instanceSidecarConfiguration: settings }, `instanceSidecarConfiguration.${name}`),
);

export const refusedStores: readonly RefusedSpec[] = [
  ...shapes,
  ...unknownFields,
  ...types,
  ...values,
  ...places,
  ...credentials,
  ...unsupported,
  ...tags,
  ...sidecars,
];
