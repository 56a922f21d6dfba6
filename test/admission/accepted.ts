// Objects that must be accepted: the examples as they stand, and those of the systems that Holdfast takes over from, with
// only apiVersion changed.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { apiVersion } from "#api/kinds.ts";
import type { KubeObject } from "#kube/object.ts";
import { resources, type Kind } from "./outcome.ts";
import { goodStanzaConfiguration } from "./stanzas.ts";

export interface Accepted {
  readonly what: string;
  readonly kind: Kind;
  readonly object: KubeObject & { readonly spec?: unknown };
  /** Each stands in a warning; there is no other. */
  readonly warned?: readonly string[];
}

const examples = join(import.meta.dirname, "..", "..", "examples");

const documents = (file: string): readonly (KubeObject & { readonly spec?: unknown })[] =>
  parseAllDocuments(readFileSync(join(examples, file), "utf8")).map((document) => document.toJS() as KubeObject);

const isKind = (kind: string | undefined): kind is Kind => kind !== undefined && Object.hasOwn(resources, kind);
const kindsInOrder = Object.keys(resources);

/** What is said of some of them: by kind and file. */
const warnedExamples: Readonly<Record<string, readonly string[]>> = {
  "BackupSchedule backupschedule.yaml": ["spec.schedules[0].cron: 5 fields, minutes first; next run "],
  "BackupSchedule backupschedule-stanza.yaml": ["spec.schedules[0].cron: 5 fields", "spec.schedules[1].cron: 5 fields"],
  "Stanza recovery-stanza.yaml": ["spec.retention.mode: is Preview"],
  "Stanza stanza.yaml": ["repositories 1 and 2 are on one endpoint", "spec.retention.mode: is Preview"],
};

/** Every file of the folder, stores first, so that those who name one find it. */
const exampleObjects = readdirSync(examples)
  .toSorted()
  .flatMap((file) =>
    documents(file).flatMap((object): readonly Accepted[] =>
      isKind(object.kind)
        ? [
            {
              what: `examples/${file}`,
              kind: object.kind,
              object,
              warned: warnedExamples[`${object.kind} ${file}`] ?? [],
            },
          ]
        : [],
    ),
  )
  .toSorted((one, other) => kindsInOrder.indexOf(one.kind) - kindsInOrder.indexOf(other.kind));

const login = (name: string, ...[id, secret]: readonly [string, string]) => ({
  accessKeyId: { name, key: id },
  secretAccessKey: { name, key: secret },
});

const store = (
  what: string,
  name: string,
  spec: Readonly<Record<string, unknown>>,
  warned: readonly string[] = [],
): Accepted => ({
  what,
  kind: "ObjectStore",
  object: { apiVersion, kind: "ObjectStore", metadata: { name }, spec },
  warned,
});

const stanza = (
  what: string,
  name: string,
  spec: Readonly<Record<string, unknown>>,
  warned: readonly string[] = [],
): Accepted => ({
  what,
  kind: "Stanza",
  object: { apiVersion, kind: "Stanza", metadata: { name }, spec },
  warned,
});

const cluster = (
  what: string,
  name: string,
  spec: Readonly<Record<string, unknown>>,
  warned: readonly string[] = [],
): Accepted => ({
  what,
  kind: "Cluster",
  object: {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: { name },
    spec: { instances: 3, storage: { size: "1Gi" }, ...spec },
  },
  warned,
});

const minio = login("minio", "ACCESS_KEY_ID", "ACCESS_SECRET_KEY");

const pgbackrestMinio = {
  bucket: "demo",
  endpoint: "s3.minio.svc.cluster.local",
  region: "us-east-1",
  repoPath: "/cluster-demo",
  uriStyle: "path",
  verifyTLS: false,
  secretRef: login("pgbackrest-s3-secret", "ACCESS_KEY_ID", "ACCESS_SECRET_KEY"),
};

export const acceptedObjects: readonly Accepted[] = [
  ...exampleObjects,
  store("the store of the Barman Cloud plugin's usage page", "minio-store", {
    configuration: {
      destinationPath: "s3://backups/",
      endpointURL: "http://minio:9000",
      s3Credentials: minio,
      wal: { compression: "gzip" },
    },
  }),
  store(
    "the store of the Barman Cloud plugin's examples",
    "minio-store-full",
    {
      retentionPolicy: "1m",
      instanceSidecarConfiguration: {
        retentionPolicyIntervalSeconds: 1800,
        logLevel: "debug",
        resources: { requests: { memory: "64Mi", cpu: "250m" }, limits: { memory: "512Mi", cpu: "500m" } },
      },
      configuration: {
        endpointCA: { name: "minio-server-tls", key: "tls.crt" },
        destinationPath: "s3://backups/",
        endpointURL: "https://minio:9000",
        s3Credentials: minio,
        wal: { compression: "gzip", maxParallel: 8 },
        data: { additionalCommandArgs: ["--min-chunk-size=5MB", "--read-timeout=60", "-vv"] },
      },
    },
    ["-vv has no effect", "spec.retention.mode", "retentionPolicyIntervalSeconds"],
  ),
  store("the bucket of in-tree backups on Amazon", "aws", {
    configuration: {
      destinationPath: "s3://BUCKET_NAME/path/to/folder",
      s3Credentials: {
        ...login("aws-creds", "ACCESS_KEY_ID", "ACCESS_SECRET_KEY"),
        sessionToken: { name: "aws-creds", key: "ACCESS_SESSION_TOKEN" },
      },
    },
  }),
  store("the gateway of in-tree backups", "gateway", {
    configuration: {
      destinationPath: "s3://BUCKET_NAME/",
      endpointURL: "http://minio-gateway-service:9000",
      s3Credentials: login("minio-creds", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"),
      wal: { compression: "gzip", encryption: "AES256" },
    },
  }),
  store(
    "a store with all that there is",
    "everything",
    {
      retentionPolicy: "30d",
      retention: { minimumBackups: 2, mode: "Preview" },
      instanceSidecarConfiguration: {
        env: [
          { name: "HTTPS_PROXY", value: "http://proxy:3128" },
          { name: "TMPDIR", value: "/tmp" },
        ],
        additionalContainerArgs: [],
      },
      configuration: {
        destinationPath: "s3://backups/some/path",
        endpointURL: "https://project.example/storage/v1/s3",
        s3Credentials: { inheritFromIAMRole: true, region: { name: "minio", key: "REGION" } },
        wal: { compression: "zstd", encryption: "aws:kms", maxParallel: 32 },
        data: { compression: "gzip", encryption: "AES256", jobs: 4, immediateCheckpoint: true },
        tags: { "team/name": "Datenbank-Gruppe Süd", backup: "true" },
        historyTags: {},
      },
    },
    ["TMPDIR has no effect", "spec.retention.mode"],
  ),
  stanza(
    "the Stanza of the pgBackRest plugin's usage page",
    "stanza-sample",
    {
      stanzaConfiguration: {
        name: "main",
        s3Repositories: [
          {
            ...pgbackrestMinio,
            retentionPolicy: { full: 7, fullType: "count", diff: 14, archive: 2, archiveType: "full", history: 30 },
          },
        ],
      },
    },
    ["verifyTLS: is false", "retentionPolicy.archive: the 2 newest full backups", "spec.retention.mode: is Preview"],
  ),
  stanza(
    "the Stanza of the pgBackRest plugin with all that it knows",
    "stanza-all",
    {
      stanzaConfiguration: {
        name: "all",
        s3Repositories: [
          {
            ...pgbackrestMinio,
            repoPath: "/all",
            verifyTLS: true,
            retentionPolicy: { full: 7 },
            cipherConfig: { type: "aes-256-cbc", encryptionPass: { name: "minio", key: "ENCRYPTION_PASS" } },
          },
        ],
        azureRepositories: [
          {
            account: "devstoreaccount1",
            container: "backups",
            endpoint: "azurite:10000",
            repoPath: "/all",
            keyType: "sas",
            uriStyle: "path",
            verifyTLS: true,
            secretRef: { keyReference: { name: "azure", key: "SAS" } },
            retentionPolicy: { full: 2, fullType: "time" },
          },
        ],
        processMax: 4,
        archive: { async: true, pushQueueMax: "100GiB", getQueueMax: "256MiB" },
        compressConfig: { type: "lz4", level: 1 },
        startFast: true,
        delta: true,
        logLevel: "info",
        customEnvVar: { PGBACKREST_IO_TIMEOUT: "120", PGBACKREST_REPO2_BUNDLE: "y" },
      },
    },
    ["pushQueueMax: WAL beyond it is given up", "spec.retention.mode: is Preview"],
  ),
  stanza(
    "a Stanza with what is Holdfast's own, and retention enforced",
    "stanza-own",
    {
      stanzaConfiguration: { ...goodStanzaConfiguration, archive: { spool: { size: "5Gi", storageClass: "fast" } } },
      backup: { fullEvery: "2w", chainMax: 10 },
      retention: { mode: "Enforce" },
      instanceSidecarConfiguration: {
        env: [{ name: "PGBACKREST_IO_TIMEOUT", value: "5" }],
        logLevel: "debug",
        resources: { limits: { memory: "512Mi" } },
      },
    },
    ["env[0]: has no effect", "retentionPolicy.full: is not given", "spec.retention.mode: has no effect"],
  ),
  cluster("the Cluster of the pgBackRest plugin's usage page, the plugin's name changed", "cluster-demo", {
    plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters: { stanzaRef: "stanza-sample" } }],
  }),
  cluster("its Cluster that is recovered into a Stanza of its own, with tablespaces", "cluster-restored", {
    plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters: { stanzaRef: "stanza-all" } }],
    bootstrap: { recovery: { source: "source" } },
    externalClusters: [{ name: "source", plugin: { name: "holdfast.dev", parameters: { stanzaRef: "main" } } }],
    tablespaces: [{ name: "fast", storage: { size: "1Gi" } }],
  }),
  cluster("the Cluster of the Barman Cloud plugin's examples, the plugin's name changed", "cluster-example", {
    plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters: { barmanObjectName: "minio-store" } }],
  }),
  cluster(
    "the Cluster of its usage page, which leaves the flag out",
    "cluster-usage",
    { plugins: [{ name: "holdfast.dev", parameters: { barmanObjectName: "minio-store" } }] },
    ["spec.plugins[0].isWALArchiver: is not true"],
  ),
  cluster(
    "its Cluster that is recovered and archives nothing",
    "cluster-restore",
    {
      bootstrap: { recovery: { source: "source" } },
      externalClusters: [
        {
          name: "source",
          plugin: {
            name: "holdfast.dev",
            parameters: { barmanObjectName: "minio-store", serverName: "cluster-example" },
          },
        },
      ],
    },
    ["nobody archives the WAL of this Cluster"],
  ),
];
