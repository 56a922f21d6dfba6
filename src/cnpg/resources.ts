// Where CloudNativePG's objects are in the Kubernetes API.
import type { Resource } from "#kube/object.ts";

const group = "postgresql.cnpg.io";
const version = "v1";

export const clusters: Resource = { group, version, kind: "Cluster", plural: "clusters", namespaced: true };
export const backups: Resource = { group, version, kind: "Backup", plural: "backups", namespaced: true };
