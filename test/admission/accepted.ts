// Objects that must be accepted: the examples as they stand, and those of the systems that Holdfast takes over from, with
// only apiVersion changed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { apiVersion } from "#api/kinds.ts";
import type { KubeObject } from "#kube/object.ts";
import type { Kind } from "./outcome.ts";

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

const example = (kind: Kind, file: string, warned: readonly string[] = []): readonly Accepted[] =>
  documents(file)
    .filter((object) => object.kind === kind)
    .map((object) => ({ what: `examples/${file}`, kind, object, warned }));

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

export const acceptedObjects: readonly Accepted[] = [
  ...example("ObjectStore", "objectstore.yaml"),
  ...example("Cluster", "cluster.yaml"),
  ...example("Cluster", "recovery.yaml"),
  ...example("Backup", "backup.yaml"),
  ...example("BackupSchedule", "backupschedule.yaml", ["spec.schedules[0].cron: 5 fields, minutes first; next run "]),
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
