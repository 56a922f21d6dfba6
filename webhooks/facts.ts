// What the rules know of other objects, taken from the replica's caches: plain values, never a call to the API.
import type { ObjectStore } from "#api/gen/object-store.ts";
import { decodeCluster, type Cluster } from "#cnpg/cluster.ts";
import type { Fields } from "#cnpg/json.ts";
import { readPluginConfig, type ObjectStoreReference } from "#cnpg/plugin-config.ts";
import { archiving } from "#cnpg/wal-roles.ts";
import type { Informer } from "#kube/informer.ts";
import type { KubeObject } from "#kube/object.ts";
import { locationOf } from "#store/location.ts";
import type { ClusterView } from "./rules/cluster.ts";
import type { Archiver, Clash } from "./rules/object-store.ts";

type Cache<T extends KubeObject> = Pick<Informer<T>, "get" | "byIndex">;

export interface AdmissionCaches {
  /** With `storeIndexes`. */
  readonly stores: Cache<ObjectStore>;
  /** With `clusterIndexes`. */
  readonly clusters: Cache<KubeObject>;
  readonly namespaces: Pick<Informer<KubeObject>, "get">;
}

/** Stores by the place where their data are. */
export const storeIndexes = {
  location: (store: ObjectStore): readonly string[] => [locationOfStore(store) ?? []].flat(),
} as const;

/** Living Clusters by the store that they archive to: "namespace/store". */
export const clusterIndexes = {
  archivesTo: (object: KubeObject): readonly string[] => {
    const target = object.metadata.deletionTimestamp === undefined ? archiveOf(decodeCluster(object)) : undefined;
    return target === undefined ? [] : [`${object.metadata.namespace}/${target.name}`];
  },
} as const;

export interface Facts {
  /** The Clusters that archive to a store of this name. */
  archivers(namespace: string, store: string): readonly Archiver[];
  /** Those of them into whose archive another Cluster archives, when the store is where it is written to be. */
  clashes(store: ObjectStore): readonly Clash[];
  view(object: KubeObject): ClusterView;
  namespaceIsTerminating(name: string): boolean;
}

export function createFacts({ stores, clusters, namespaces }: AdmissionCaches): Facts {
  const archivingTo = (namespace: string, store: string): readonly Archiving[] =>
    clusters.byIndex("archivesTo", `${namespace}/${store}`).flatMap((object) => {
      const cluster = decodeCluster(object);
      const target = archiveOf(cluster);
      return target === undefined ? [] : [{ cluster, serverName: target.serverName }];
    });

  /** Clusters that archive to any store at the place, by server name. */
  const archivingInto = (location: string): ReadonlyMap<string, readonly Cluster[]> => {
    const all = stores
      .byIndex("location", location)
      .flatMap(({ metadata }) => archivingTo(metadata.namespace ?? "", metadata.name));
    const grouped = Map.groupBy(all, ({ serverName }) => serverName);
    return new Map([...grouped].map(([name, found]) => [name, found.map(({ cluster }) => cluster)]));
  };

  return {
    archivers: (namespace, store) =>
      archivingTo(namespace, store).map(({ cluster, serverName }) => ({
        cluster: cluster.metadata.name,
        serverName,
        archivesNothing: archivesNothing(cluster),
      })),
    clashes(store) {
      const { namespace = "", name } = store.metadata;
      const location = locationOfStore(store);
      if (location === undefined) return [];
      const there = archivingInto(location);
      return archivingTo(namespace, name).flatMap(({ cluster, serverName }) => {
        const other = there.get(serverName)?.find((found) => !isSame(found, cluster));
        if (other === undefined) return [];
        const isBeside = other.metadata.namespace === namespace;
        return [{ cluster: cluster.metadata.name, serverName, ...(isBeside && { other: other.metadata.name }) }];
      });
    },
    view(object) {
      const cluster = decodeCluster(object);
      const { namespace } = cluster.metadata;
      const found = readPluginConfig(cluster)
        .stores.filter(({ kind }) => kind === "ObjectStore")
        .flatMap(({ name }) => stores.get({ namespace, name }) ?? []);
      const locations = new Map(found.map((store) => [store.metadata.name, locationOfStore(store)]));
      const target = archiveOf(cluster);
      const location = target && locations.get(target.name);
      const sharers =
        target === undefined
          ? []
          : location === undefined
            ? archivingTo(namespace, target.name)
                .filter(({ serverName }) => serverName === target.serverName)
                .map((other) => other.cluster)
            : (archivingInto(location).get(target.serverName) ?? []);
      return {
        cluster,
        fields: object as unknown as Fields,
        stores: locations,
        sharers: sharers.filter((other) => !isSame(other, cluster)).map(({ metadata }) => metadata),
      };
    },
    namespaceIsTerminating: (name) => namespaces.get({ name })?.metadata.deletionTimestamp !== undefined,
  };
}

interface Archiving {
  readonly cluster: Cluster;
  readonly serverName: string;
}

const isSame = (one: Cluster, other: Cluster): boolean =>
  one.metadata.namespace === other.metadata.namespace && one.metadata.name === other.metadata.name;

function archiveOf(cluster: Cluster): ObjectStoreReference | undefined {
  const { own } = readPluginConfig(cluster);
  return own?.kind === "store" && own.store.kind === "ObjectStore" && archiving(cluster).archive
    ? own.store
    : undefined;
}

const locationOfStore = ({ spec, metadata }: ObjectStore): string | undefined =>
  locationOf(spec, metadata.namespace ?? "");

function archivesNothing({ status }: Cluster): boolean {
  const archivingNow = status.conditions.find(({ type }) => type === "ContinuousArchiving")?.status;
  return status.currentPrimary === undefined || archivingNow === "False";
}
