// Stores and Clusters of a large installation, and what the API server asks about them.

const key = (name: string) => ({ name: "minio", key: name });

export const storeNamed = (index: number) => ({
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "ObjectStore",
  metadata: { name: `store-${index}`, namespace: `ns-${index % 50}`, uid: `s-${index}`, resourceVersion: "1" },
  spec: {
    configuration: {
      // Ten of them share a place, so that rules over all namespaces have something to compare.
      destinationPath: `s3://backups/${Math.floor(index / 10)}/`,
      endpointURL: "https://s3.example",
      s3Credentials: { accessKeyId: key("ID"), secretAccessKey: key("SECRET") },
      wal: { compression: "zstd", maxParallel: 4 },
      data: { compression: "gzip", jobs: 2 },
    },
    retentionPolicy: "30d",
  },
});

export const clusterNamed = (index: number) => ({
  apiVersion: "postgresql.cnpg.io/v1",
  kind: "Cluster",
  metadata: { name: `pg-${index}`, namespace: `ns-${index % 50}`, uid: `c-${index}`, resourceVersion: "1" },
  spec: {
    instances: 3,
    imageName: "ghcr.io/cloudnative-pg/postgresql:17.2",
    storage: { size: "10Gi" },
    postgresql: { parameters: Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`setting_${n}`, `${n}`])) },
    plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters: { objectStore: `store-${index}` } }],
  },
});

type Named = ReturnType<typeof storeNamed> | ReturnType<typeof clusterNamed>;

const review = (resource: string, group: string, object: Named, old: Named): object => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
    operation: "UPDATE",
    kind: { group, version: "v1", kind: object.kind },
    resource: { group, version: "v1", resource },
    namespace: object.metadata.namespace,
    name: object.metadata.name,
    userInfo: { username: "admin", groups: ["system:masters"] },
    object,
    oldObject: old,
  },
});

export function storeReview(index: number, isWrong: boolean): object {
  const old = storeNamed(index);
  const { configuration } = old.spec;
  const wal = { ...configuration.wal, ...(isWrong ? { compresion: "gzip" } : { maxParallel: 8 }) };
  return review(
    "objectstores",
    "holdfast.dev",
    { ...old, spec: { ...old.spec, configuration: { ...configuration, wal } } },
    old,
  );
}

export function clusterReview(index: number, isWrong: boolean): object {
  const old = clusterNamed(index);
  const [entry] = old.spec.plugins;
  const parameters = { objectStore: `store-${index}`, ...(isWrong && { servername: "x" }) };
  const plugins = entry === undefined ? [] : [{ ...entry, parameters }];
  return review("clusters", "postgresql.cnpg.io", { ...old, spec: { ...old.spec, instances: 2, plugins } }, old);
}
