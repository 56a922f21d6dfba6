// What the rules know of other objects, taken from the replica's caches: plain values, never a call to the API.
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import { decodeCluster, type Cluster } from "#cnpg/cluster.ts";
import type { Fields } from "#cnpg/json.ts";
import { readPluginConfig, type StoreReference } from "#cnpg/plugin-config.ts";
import { archiving } from "#cnpg/wal-roles.ts";
import type { Informer } from "#kube/informer.ts";
import type { KubeObject } from "#kube/object.ts";
import { repositoryPlaces, stanzaLocations } from "#repository/pgbackrest/location.ts";
import { locationOf } from "#store/location.ts";
import type { Archiver } from "./rules/archivers.ts";
import type { ClusterView } from "./rules/cluster.ts";
import type { Destination } from "./rules/destination.ts";
import type { Clash } from "./rules/object-store.ts";

type Cache<T extends KubeObject> = Pick<Informer<T>, "get" | "byIndex">;

export interface AdmissionCaches {
  /** With `storeIndexes`. */
  readonly stores: Cache<ObjectStore>;
  /** With `stanzaIndexes`. */
  readonly stanzas: Cache<Stanza>;
  /** With `clusterIndexes`. */
  readonly clusters: Cache<KubeObject>;
  readonly namespaces: Pick<Informer<KubeObject>, "get">;
}

/** Stores by the place where their data are. */
export const storeIndexes = {
  location: (store: ObjectStore): readonly string[] => [locationOfStore(store) ?? []].flat(),
} as const;

/** Stanzas by the places where their data are. */
export const stanzaIndexes = {
  location: (stanza: Stanza): readonly string[] => [...new Set(locationsOfStanza(stanza))],
} as const;

/** Living Clusters by the store that they archive to: "Stanza/namespace/name". */
export const clusterIndexes = {
  archivesTo: (object: KubeObject): readonly string[] => {
    const target = object.metadata.deletionTimestamp === undefined ? archiveOf(decodeCluster(object)) : undefined;
    return target === undefined ? [] : [keyOf({ ...target, namespace: object.metadata.namespace ?? "" })];
  },
} as const;

interface StoreKey {
  readonly kind: StoreReference["kind"];
  readonly namespace: string;
  readonly name: string;
}

const keyOf = ({ kind, namespace, name }: StoreKey): string => `${kind}/${namespace}/${name}`;

export interface Facts {
  /** The Clusters that archive to this store. */
  archivers(store: StoreKey): readonly Archiver[];
  /** Those of them into whose archive another Cluster archives, when the store is where it is written to be. */
  clashes(store: ObjectStore): readonly Clash[];
  stanzaClashes(stanza: Stanza): readonly Clash[];
  view(object: KubeObject): ClusterView;
  /** Where the backups of a Cluster go; undefined when it is not known, or not told. */
  destination(namespace: string, cluster: string): Destination | undefined;
  namespaceIsTerminating(name: string): boolean;
}

export function createFacts({ stores, stanzas, clusters, namespaces }: AdmissionCaches): Facts {
  const archivingTo = (key: StoreKey): readonly Archiving[] =>
    clusters.byIndex("archivesTo", keyOf(key)).flatMap((object) => {
      const cluster = decodeCluster(object);
      const target = archiveOf(cluster);
      return target === undefined ? [] : [{ cluster, serverName: serverNameOf(target) }];
    });

  /** Clusters that archive to any store at the place, by server name. */
  const archivingInto = (location: string): ReadonlyMap<string, readonly Cluster[]> => {
    const all = stores
      .byIndex("location", location)
      .flatMap(({ metadata: { namespace = "", name } }) => archivingTo({ kind: "ObjectStore", namespace, name }));
    const grouped = Map.groupBy(all, ({ serverName }) => serverName);
    return new Map([...grouped].map(([name, found]) => [name, found.map(({ cluster }) => cluster)]));
  };

  /** Clusters that archive to the Stanza, or to another one with a repository and a name in common. */
  const archivingIntoStanza = (key: StoreKey, locations: readonly string[]): readonly Cluster[] => {
    const alike = locations.flatMap((location) => stanzas.byIndex("location", location));
    const keys = alike.map(({ metadata: { namespace = "", name } }) => ({ kind: "Stanza", namespace, name }) as const);
    const once = new Map([key, ...keys].map((stanza) => [keyOf(stanza), stanza]));
    return [...once.values()].flatMap((stanza) => archivingTo(stanza).map(({ cluster }) => cluster));
  };

  const sharersOf = (cluster: Cluster): readonly Cluster[] => {
    const target = archiveOf(cluster);
    if (target === undefined) return [];
    const { kind, name } = target;
    const key = { kind, name, namespace: cluster.metadata.namespace };
    if (target.kind === "Stanza") {
      const stanza = stanzas.get({ namespace: key.namespace, name });
      return archivingIntoStanza(key, stanza === undefined ? [] : locationsOfStanza(stanza));
    }
    const store = stores.get({ namespace: key.namespace, name });
    const location = store && locationOfStore(store);
    if (location !== undefined) return archivingInto(location).get(target.serverName) ?? [];
    return archivingTo(key).flatMap((other) => (other.serverName === target.serverName ? [other.cluster] : []));
  };

  return {
    archivers: (store) =>
      archivingTo(store).map(({ cluster, serverName }) => ({
        cluster: cluster.metadata.name,
        ...(store.kind === "ObjectStore" && { serverName }),
        archivesNothing: archivesNothing(cluster),
      })),
    clashes(store) {
      const { namespace = "", name } = store.metadata;
      const location = locationOfStore(store);
      if (location === undefined) return [];
      const there = archivingInto(location);
      return archivingTo({ kind: "ObjectStore", namespace, name }).flatMap(({ cluster, serverName }) =>
        clashOf(cluster, there.get(serverName) ?? [], serverName),
      );
    },
    stanzaClashes(stanza) {
      const { namespace = "", name } = stanza.metadata;
      const key = { kind: "Stanza", namespace, name } as const;
      const there = archivingIntoStanza(key, locationsOfStanza(stanza));
      return archivingTo(key).flatMap(({ cluster }) => clashOf(cluster, there, stanza.spec.stanzaConfiguration.name));
    },
    view(object) {
      const cluster = decodeCluster(object);
      const { namespace } = cluster.metadata;
      const named = readPluginConfig(cluster).stores;
      const found = named.flatMap(({ kind, name }) =>
        kind === "ObjectStore" ? (stores.get({ namespace, name }) ?? []) : [],
      );
      const foundStanzas = named.flatMap(({ kind, name }) =>
        kind === "Stanza" ? (stanzas.get({ namespace, name }) ?? []) : [],
      );
      return {
        cluster,
        fields: object as unknown as Fields,
        stores: new Map(found.map((store) => [store.metadata.name, locationOfStore(store)])),
        stanzas: new Map(foundStanzas.map((stanza) => [stanza.metadata.name, locationsOfStanza(stanza)])),
        sharers: sharersOf(cluster)
          .filter((other) => !isSame(other, cluster))
          .map(({ metadata }) => metadata),
      };
    },
    destination(namespace, name) {
      const object = clusters.get({ namespace, name });
      const own = object && readPluginConfig(decodeCluster(object)).own;
      if (own?.kind !== "store") return undefined;
      const { kind, name: store } = own.store;
      const stanza = kind === "Stanza" ? stanzas.get({ namespace, name: store }) : undefined;
      const repositories = stanza && repositoryPlaces(stanza.spec, namespace).length;
      return { kind, name: store, ...(repositories !== undefined && { repositories }) };
    },
    namespaceIsTerminating: (name) => namespaces.get({ name })?.metadata.deletionTimestamp !== undefined,
  };
}

interface Archiving {
  readonly cluster: Cluster;
  /** "" in a Stanza. */
  readonly serverName: string;
}

const isSame = (one: Cluster, other: Cluster): boolean =>
  one.metadata.namespace === other.metadata.namespace && one.metadata.name === other.metadata.name;

function clashOf(cluster: Cluster, there: readonly Cluster[], archive: string): readonly Clash[] {
  const other = there.find((found) => !isSame(found, cluster));
  if (other === undefined) return [];
  const isBeside = other.metadata.namespace === cluster.metadata.namespace;
  return [{ cluster: cluster.metadata.name, archive, ...(isBeside && { other: other.metadata.name }) }];
}

function archiveOf(cluster: Cluster): StoreReference | undefined {
  const { own } = readPluginConfig(cluster);
  return own?.kind === "store" && archiving(cluster).archive ? own.store : undefined;
}

const serverNameOf = (store: StoreReference): string => (store.kind === "ObjectStore" ? store.serverName : "");

const locationOfStore = ({ spec, metadata }: ObjectStore): string | undefined =>
  locationOf(spec, metadata.namespace ?? "");

const locationsOfStanza = ({ spec, metadata }: Stanza): readonly string[] =>
  stanzaLocations(spec, metadata.namespace ?? "");

function archivesNothing({ status }: Cluster): boolean {
  const archivingNow = status.conditions.find(({ type }) => type === "ContinuousArchiving")?.status;
  return status.currentPrimary === undefined || archivingNow === "False";
}
