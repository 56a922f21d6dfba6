// What a CloudNativePG Cluster may ask of this plugin. Only what concerns backups is judged, and of a change only what it
// brings: a Cluster that is wrong already must still be scaled, hibernated and mended step by step. Pure.
import { skipsEmptyArchiveCheck, skipsWalArchiving, type Cluster } from "#cnpg/cluster.ts";
import type { Fields } from "#cnpg/json.ts";
import { isPluginEnabled, pluginName, readPluginConfig, type StoreChoice } from "#cnpg/plugin-config.ts";
import { majorField, presentMajor, wantedMajor } from "#cnpg/postgres-major.ts";
import { archiving } from "#cnpg/wal-roles.ts";
import { unsupportedByImage } from "#repository/pgbackrest/version.ts";
import { isSupportedMajor, unsupportedMajor } from "#postgres/version.ts";
import type { Finding, Judgement } from "../judgement.ts";

/** A Cluster with what the caches know about what it names. */
export interface ClusterView {
  readonly cluster: Cluster;
  /** The same as it was written, for what the slice above leaves out. */
  readonly fields: Fields;
  /** The ObjectStores of its namespace that it names and that exist, with their location where that is known. */
  readonly stores: ReadonlyMap<string, string | undefined>;
  /** The Stanzas of its namespace that it names and that exist, with the places where their data are. */
  readonly stanzas: ReadonlyMap<string, readonly string[]>;
  /** Other living Clusters that archive into the archive that this one archives into. */
  readonly sharers: readonly { readonly namespace: string; readonly name: string }[];
}

export interface ClusterSubject {
  readonly object: ClusterView;
  /** As it is stored; absent when it is new. */
  readonly old?: ClusterView | undefined;
}

export function judgeCluster({ object, old }: ClusterSubject): Judgement {
  const known = new Set((old === undefined ? [] : problemsOf(old)).map(identify));
  const [fresh, standing] = split(problemsOf(object), (problem) => !known.has(identify(problem)));
  return {
    problems: [...fresh, ...(old === undefined ? [] : majorProblems(object, old))],
    warnings: [...standing.map(({ field, message }) => `${field}: ${message}`), ...warningsOf(object)],
  };
}

const identify = ({ field, message }: Finding): string => `${field}\n${message}`;

const split = <T>(items: readonly T[], isFirst: (item: T) => boolean): readonly [readonly T[], readonly T[]] => [
  items.filter(isFirst),
  items.filter((item) => !isFirst(item)),
];

const problemsOf = (view: ClusterView): readonly Finding[] => [
  ...readPluginConfig(view.cluster).problems,
  ...archiverProblems(view),
  ...sharedProblems(view),
  ...sourceProblems(view),
  ...unsupportedProblems(view),
];

/** Where our enabled entry stands: "spec.plugins[1]". The last one counts. */
const entryOf = ({ spec }: Cluster): string =>
  `spec.plugins[${spec.plugins.findLastIndex(({ name, enabled }) => name === pluginName && enabled)}]`;

function archiverProblems({ cluster }: ClusterView): Finding[] {
  const { plugins, hasBarmanObjectStore } = cluster.spec;
  if (!plugins.some(({ name, enabled, isWALArchiver }) => name === pluginName && enabled && isWALArchiver)) return [];
  const hint = `leave isWALArchiver: true to one of them`;
  const others = plugins.flatMap(({ name, enabled, isWALArchiver }, index) =>
    enabled && isWALArchiver && name !== pluginName
      ? [{ field: `spec.plugins[${index}].isWALArchiver`, message: `${name} and ${pluginName} both archive WAL`, hint }]
      : [],
  );
  if (!hasBarmanObjectStore) return others;
  const { own } = readPluginConfig(cluster);
  const kind = own?.kind === "store" ? own.store.kind : "ObjectStore";
  const message = `CloudNativePG itself and ${pluginName} both archive WAL`;
  return [
    ...others,
    { field: "spec.backup.barmanObjectStore", message, hint: `remove it: the ${kind} takes its place` },
  ];
}

function sharedProblems({ cluster, sharers }: ClusterView): Finding[] {
  const { own } = readPluginConfig(cluster);
  if (own?.kind !== "store" || sharers.length === 0) return [];
  const { namespace, name } = cluster.metadata;
  const beside = sharers.find((sharer) => sharer.namespace === namespace);
  const by = beside === undefined ? "by a Cluster of another namespace" : `by Cluster ${beside.name}`;
  const field = archiveField(cluster);
  if (own.store.kind === "Stanza")
    return [
      {
        field,
        message: `the archive of Stanza ${own.store.name} is in use ${by}`,
        hint: "name another Stanza, with a spec.stanzaConfiguration.name of its own: a stanza has one Cluster",
      },
    ];
  return [
    {
      field,
      message: `the archive ${JSON.stringify(own.store.serverName)} in ObjectStore ${own.store.name} is in use ${by}`,
      hint: `write a serverName of its own, such as ${another(own.store.serverName, name)}`,
    },
  ];
}

const another = (taken: string, cluster: string): string => (taken === cluster ? `${cluster}-2` : cluster);

/** Where it says which archive it is: the server name in an ObjectStore, or the Stanza. */
function archiveField(cluster: Cluster): string {
  const { own } = readPluginConfig(cluster);
  const { parameters = {} } =
    cluster.spec.plugins.findLast(({ name, enabled }) => name === pluginName && enabled) ?? {};
  const isStanza = own?.kind === "store" && own.store.kind === "Stanza";
  const parameter = isStanza ? (parameters["stanza"] ? "stanza" : "stanzaRef") : "serverName";
  return `${entryOf(cluster)}.parameters.${parameter}`;
}

/** What a Cluster reads its beginning from, or follows, it must not write to. */
function sourceProblems(view: ClusterView): Finding[] {
  const { cluster } = view;
  if (!archiving(cluster).archive) return [];
  const { own, recoverySource, replicaSource } = readPluginConfig(cluster);
  const target = archivesOf(own, view);
  const isAlso = (choice: StoreChoice | undefined): boolean =>
    archivesOf(choice, view).some((archive) => target.includes(archive));
  const hint =
    own?.kind === "store" && own.store.kind === "Stanza"
      ? "name another Stanza, with a spec.stanzaConfiguration.name of its own"
      : `write another serverName, such as ${cluster.metadata.name}-2`;
  const problem = (message: string): Finding => ({ field: archiveField(cluster), message, hint });
  if (isAlso(replicaSource)) return [problem("the Cluster would archive into the archive it follows")];
  if (isAlso(recoverySource) && !skipsEmptyArchiveCheck(cluster))
    return [problem("the Cluster would archive into the archive it is recovered from")];
  return [];
}

/** Texts that are equal for choices that share an archive: one for an ObjectStore, one for each repository of a Stanza. */
function archivesOf(choice: StoreChoice | undefined, { stores, stanzas }: ClusterView): readonly string[] {
  if (choice?.kind !== "store") return [];
  const { store } = choice;
  if (store.kind === "Stanza") return [`Stanza ${store.name}`, ...(stanzas.get(store.name) ?? [])];
  return [JSON.stringify([stores.get(store.name) ?? `ObjectStore ${store.name}`, store.serverName])];
}

function unsupportedProblems({ cluster, fields }: ClusterView): Finding[] {
  const { own, recoverySource, stores } = readPluginConfig(cluster);
  const major = wantedMajor(fields);
  const isUsed = (own ?? recoverySource) !== undefined;
  const inStanza = stores.some(({ kind }) => kind === "Stanza");
  const inStore = own?.kind === "store" && own.store.kind === "ObjectStore";
  return [
    ...(major === undefined || !isUsed ? [] : versionProblems(major, majorField(fields), inStanza)),
    ...(inStore && cluster.spec.tablespaces.length > 0
      ? [{ field: "spec.tablespaces", message: "not supported yet: tablespaces", hint: "a backup would not hold them" }]
      : []),
  ];
}

function versionProblems(major: number, field: string, inStanza: boolean): Finding[] {
  if (!isSupportedMajor(major)) return [{ field, message: unsupportedMajor(major) }];
  const message = inStanza ? unsupportedByImage(major) : undefined;
  if (message === undefined) return [];
  return [{ field, message, hint: `use an ObjectStore, or PostgreSQL ${major - 1}` }];
}

/** After pg_upgrade the database is another one: neither WAL nor backups from before may stand beside those from after. */
function majorProblems(object: ClusterView, old: ClusterView): Finding[] {
  const [before, after] = [presentMajor(old.fields), wantedMajor(object.fields)];
  if (before === undefined || after === undefined || before === after) return [];
  // Asked for already, by a change that was let through: it is told once.
  if (wantedMajor(old.fields) === after || !archiving(object.cluster).archive) return [];
  const { own } = readPluginConfig(object.cluster);
  // pgBackRest keeps the versions of a stanza apart itself: stanza-upgrade begins a new one.
  if (own?.kind !== "store" || own.store.kind !== "ObjectStore") return [];
  const [archive] = archivesOf(own, object);
  const [archiveBefore] = archivesOf(readPluginConfig(old.cluster).own, old);
  if (archive !== archiveBefore) return [];
  const { name } = object.cluster.metadata;
  return [
    {
      field: majorField(object.fields),
      message: `PostgreSQL ${after} would archive into ${JSON.stringify(own.store.serverName)}, the archive of PostgreSQL ${before}`,
      hint: `in the same change write another ${entryOf(object.cluster)}.parameters.serverName, such as ${name}-${after}`,
    },
  ];
}

function warningsOf({ cluster, stores, stanzas }: ClusterView): string[] {
  const config = readPluginConfig(cluster);
  const missing = config.stores
    .filter(({ kind, name }) => !(kind === "Stanza" ? stanzas : stores).has(name))
    .map(
      ({ kind, name }) =>
        `${kind} ${name} does not exist in this namespace: nothing is archived to it or read from it until it does`,
    );
  return [...missing, ...archivingWarnings(cluster)];
}

function archivingWarnings(cluster: Cluster): string[] {
  if (skipsWalArchiving(cluster)) return [];
  const state = archiving(cluster);
  const flag = `${entryOf(cluster)}.isWALArchiver`;
  if (state.archive)
    return state.flagged
      ? []
      : [`${flag}: is not true; ${pluginName} archives the WAL because nobody else does: write true`];
  if (state.archiver === undefined)
    return [
      readsFromUs(cluster)
        ? "spec.plugins: nobody archives the WAL of this Cluster: it is recovered or follows, but has no backup of its own"
        : `spec.plugins: nobody archives the WAL of this Cluster: ${pluginName} is switched off`,
    ];
  return isPluginEnabled(cluster)
    ? [
        `${flag}: is not true; ${state.archiver} archives, so backups by ${pluginName} fail unless the WAL is in its store`,
      ]
    : [];
}

const readsFromUs = ({ spec }: Cluster): boolean => {
  const sources = [spec.recovery?.source, spec.replica?.source];
  return spec.externalClusters.some(({ name, plugin }) => sources.includes(name) && plugin?.name === pluginName);
};
