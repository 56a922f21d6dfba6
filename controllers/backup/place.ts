// Where a backup is: in which store of which kind, and under which server name in it.
import type { Backup } from "#api/gen/backup.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import { readPluginConfig } from "#cnpg/plugin-config.ts";
import type { Informer } from "#kube/informer.ts";
import type { KubeObject, ObjectKey } from "#kube/object.ts";
import type { StoreCaches } from "../repositories.ts";
import type { StoreKey, StoreKind } from "../store-key.ts";

export interface Place {
  readonly kind: StoreKind;
  readonly store: string;
  readonly serverName: string;
}

export interface PlaceSources extends StoreCaches {
  readonly clusters: Informer<KubeObject>;
}

export const clusterKey = (backup: Backup): ObjectKey => ({
  namespace: backup.metadata.namespace ?? "",
  name: backup.spec.cluster?.name ?? "",
});

export const storeKeyAt = (backup: Backup, { kind, store }: Place): StoreKey => ({
  kind,
  namespace: backup.metadata.namespace ?? "",
  name: store,
});

/** As recorded, else where its Cluster archives now. A Stanza's server name is that of the stanza. */
export function placeOf(backup: Backup, sources: PlaceSources): Place | undefined {
  const { repository } = backup.spec;
  if (repository !== undefined)
    return { kind: repository.kind, store: repository.name, serverName: repository.serverName };
  const { status } = backup;
  if (status?.repository !== undefined && status.serverName !== undefined)
    return { kind: status.repository.kind, store: status.repository.name, serverName: status.serverName };
  return archiveOf(backup, sources);
}

function archiveOf(backup: Backup, { clusters, stanzas }: PlaceSources): Place | undefined {
  const object = clusters.get(clusterKey(backup));
  const own = object && readPluginConfig(decodeCluster(object)).own;
  if (own?.kind !== "store") return undefined;
  const { store } = own;
  if (store.kind === "ObjectStore") return { kind: store.kind, store: store.name, serverName: store.serverName };
  const stanza = stanzas.get({ namespace: backup.metadata.namespace ?? "", name: store.name });
  const serverName = stanza?.spec.stanzaConfiguration.name ?? "";
  return { kind: store.kind, store: store.name, serverName };
}

/** Other words of the same: "ObjectStore minio". */
export const nameOfStore = ({ kind, store }: Place): string => `${kind} ${store}`;
