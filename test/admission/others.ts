// Backups and Clusters that must not be stored, each with the paths that its refusal names.
import type { RefusedSpec } from "./stores.ts";

const backup = (what: string, spec: unknown, ...named: readonly string[]): RefusedSpec => ({ what, spec, named });

const cluster = { name: "pg" };
const repository = { kind: "ObjectStore", name: "minio", serverName: "pg" };

export const refusedBackups: readonly RefusedSpec[] = [
  backup("no spec", undefined, "spec"),
  backup("an empty spec", {}, "spec.cluster"),
  backup("a spec that is a list", [], "spec"),
  backup("a cluster that is a text", { cluster: "pg" }, "spec.cluster"),
  backup("a cluster without a name", { cluster: {} }, "spec.cluster.name"),
  backup("a cluster with an empty name", { cluster: { name: "" } }, "spec.cluster.name"),
  backup("a cluster of another namespace", { cluster: { ...cluster, namespace: "other" } }, "spec.cluster.namespace"),
  backup("an unknown field", { cluster, online: true }, "spec.online"),
  backup("CloudNativePG's way to name the plugin", { cluster, method: "plugin" }, "spec.method"),
  backup("target misspelt", { cluster, targt: "primary" }, "spec.targt"),
  backup("a target that nobody is", { cluster, target: "standby" }, "spec.target"),
  backup("a target that is a list", { cluster, target: ["primary"] }, "spec.target"),
  backup("a type in other words", { cluster, type: "incremental" }, "spec.type"),
  backup("a type that is a number", { cluster, type: 1 }, "spec.type"),
  backup("a deletion policy that nobody has", { cluster, deletionPolicy: "Forget" }, "spec.deletionPolicy"),
  backup("both a request and a record", { cluster, repository, backupId: "20260101T000000" }, "spec.repository"),
  backup("a record without an id", { repository }, "spec.backupId"),
  backup("an id without a record", { cluster, backupId: "20260101T000000" }, "spec.backupId"),
  backup("an empty id", { repository, backupId: "" }, "spec.backupId"),
  backup(
    "a record of an unknown kind",
    { repository: { ...repository, kind: "Bucket" }, backupId: "x" },
    "spec.repository.kind",
  ),
  backup(
    "a record without a server",
    { repository: { kind: "ObjectStore", name: "minio" }, backupId: "x" },
    "spec.repository.serverName",
  ),
  backup(
    "an unknown field of a record",
    { repository: { ...repository, path: "/" }, backupId: "x" },
    "spec.repository.path",
  ),
];

const base = { instances: 1, storage: { size: "1Gi" } };
const entry = (parameters: Readonly<Record<string, unknown>>, isWALArchiver = true) => ({
  name: "holdfast.dev",
  isWALArchiver,
  parameters,
});
const withParameters = (
  what: string,
  parameters: Readonly<Record<string, unknown>>,
  ...named: readonly string[]
): RefusedSpec => ({
  what,
  spec: { ...base, plugins: [entry(parameters)] },
  named: named.map((name) => `spec.plugins[0].parameters${name === "" ? "" : `.${name}`}`),
});

const asSource = (
  what: string,
  parameters: Readonly<Record<string, unknown>>,
  ...named: readonly string[]
): RefusedSpec => ({
  what,
  spec: {
    ...base,
    bootstrap: { recovery: { source: "origin" } },
    externalClusters: [{ name: "origin", plugin: { name: "holdfast.dev", parameters } }],
  },
  named: named.map((name) => `spec.externalClusters[0].plugin.parameters.${name}`),
});

const own = [entry({ objectStore: "minio", serverName: "mine" })];
const origin = (parameters: object) => [{ name: "origin", plugin: { name: "holdfast.dev", parameters } }];

export const refusedClusters: readonly RefusedSpec[] = [
  withParameters("no parameters", {}, "objectStore"),
  withParameters("a misspelt parameter", { objectStor: "minio" }, "objectStor", "objectStore"),
  withParameters("a parameter in other capitals", { objectstore: "minio" }, "objectstore"),
  withParameters("an unknown parameter beside a good one", { objectStore: "minio", servername: "x" }, "servername"),
  withParameters("a server name beside a Stanza", { stanza: "main", serverName: "pg" }, "serverName"),
  withParameters("a store and a Stanza", { objectStore: "minio", stanza: "main" }, "stanza"),
  withParameters("two Stanzas", { stanza: "main", stanzaRef: "other" }, "stanzaRef"),
  withParameters("an empty Stanza", { stanza: "" }, "objectStore"),
  withParameters("two stores", { objectStore: "minio", barmanObjectName: "other" }, "barmanObjectName"),
  withParameters("an empty store", { objectStore: "" }, "objectStore"),
  withParameters("a server that is a path", { objectStore: "minio", serverName: "a/b" }, "serverName"),
  withParameters("a server that is the parent", { objectStore: "minio", serverName: ".." }, "serverName"),
  withParameters("a server with a space", { objectStore: "minio", serverName: "my pg" }, "serverName"),
  withParameters("a server with a NUL", { objectStore: "minio", serverName: "a\0b" }, "serverName"),
  withParameters("a server of 300 letters", { objectStore: "minio", serverName: "x".repeat(300) }, "serverName"),
  withParameters("a parameter that is a number", { objectStore: 7 }, "objectStore"),
  withParameters("a parameter that is an object", { objectStore: { name: "minio" } }, "objectStore"),
  asSource("a misspelt parameter of the source", { objectStor: "minio" }, "objectStor"),
  asSource("a source without a store", { serverName: "pg" }, "objectStore"),
  asSource("a source that is a Stanza with a server", { stanza: "main", serverName: "pg" }, "serverName"),
  {
    what: "the plugin twice",
    spec: { ...base, plugins: [entry({ objectStore: "minio" }), entry({ objectStore: "minio" }, false)] },
    named: ["spec.plugins[0]"],
  },
  {
    what: "two WAL archivers",
    spec: { ...base, plugins: [...own, { name: "barman-cloud.cloudnative-pg.io", isWALArchiver: true }] },
    named: ["spec.plugins[1].isWALArchiver"],
  },
  {
    what: "an archiver beside CloudNativePG's own",
    spec: {
      ...base,
      plugins: own,
      backup: {
        barmanObjectStore: {
          destinationPath: "s3://backups/",
          s3Credentials: {
            accessKeyId: { name: "minio", key: "A" },
            secretAccessKey: { name: "minio", key: "B" },
          },
        },
      },
    },
    named: ["spec.backup.barmanObjectStore"],
  },
  {
    what: "an archive that it is recovered from",
    spec: {
      ...base,
      plugins: own,
      bootstrap: { recovery: { source: "origin" } },
      externalClusters: origin({ objectStore: "minio", serverName: "mine" }),
    },
    named: ["spec.plugins[0].parameters.serverName"],
  },
  {
    what: "an archive that it follows",
    spec: {
      ...base,
      plugins: own,
      bootstrap: { recovery: { source: "origin" } },
      replica: { enabled: true, source: "origin" },
      externalClusters: origin({ barmanObjectName: "minio", serverName: "mine" }),
    },
    named: ["spec.plugins[0].parameters.serverName"],
  },
  {
    what: "tablespaces",
    spec: { ...base, plugins: own, tablespaces: [{ name: "archive", storage: { size: "1Gi" } }] },
    named: ["spec.tablespaces"],
  },
  {
    what: "a PostgreSQL that is too old",
    spec: { ...base, plugins: own, imageName: "ghcr.io/cloudnative-pg/postgresql:13.4" },
    named: ["spec.imageName"],
  },
  {
    what: "a PostgreSQL that is to come",
    spec: {
      ...base,
      plugins: own,
      imageCatalogRef: { apiGroup: "postgresql.cnpg.io", kind: "ImageCatalog", name: "all", major: 19 },
    },
    named: ["spec.imageCatalogRef.major"],
  },
];
