// What a Cluster asks of this plugin: which stores, under which server names, and what is wrong with the asking. Pure.
import { nearest } from "#std/nearest.ts";
import { findExternalCluster, type Cluster, type PluginEntry } from "./cluster.ts";

/** The plugin's name everywhere: metadata, Service label, socket file, spec.plugins[].name. */
export const pluginName = "holdfast.dev";

/** An ObjectStore in the Cluster's namespace and the server (the archive) in it. */
export interface ObjectStoreReference {
  readonly kind: "ObjectStore";
  readonly name: string;
  readonly serverName: string;
}

/** A Stanza in the Cluster's namespace; its spec names the archive. */
export interface StanzaReference {
  readonly kind: "Stanza";
  readonly name: string;
}

export type StoreReference = ObjectStoreReference | StanzaReference;

export interface ConfigProblem {
  /** Path in the Cluster, as kubectl prints it. */
  readonly field: string;
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
}

/** A reference, or the reasons why there is none. Never half of it: a misspelt name must not become a default. */
export type StoreChoice =
  | { readonly kind: "store"; readonly store: StoreReference }
  | { readonly kind: "invalid"; readonly problems: readonly ConfigProblem[] };

export interface PluginConfig {
  /** From our enabled entry in spec.plugins: where the Cluster's own WAL and backups belong. */
  readonly own: StoreChoice | undefined;
  /** Where the Cluster is recovered from, when its recovery source uses this plugin. */
  readonly recoverySource: StoreChoice | undefined;
  /** What a replica cluster follows, when that source uses this plugin. Stays after promotion. */
  readonly replicaSource: StoreChoice | undefined;
  /** All stores referred to, sorted by name, each once; also those of choices that are invalid for another reason. */
  readonly stores: readonly Pick<StoreReference, "kind" | "name">[];
  readonly problems: readonly ConfigProblem[];
}

type StoreName = Pick<StoreReference, "kind" | "name">;

/** Parameters that name a store; the second of each pair is that of the plugin which Holdfast takes over from. */
const storeParameters = {
  ObjectStore: ["objectStore", "barmanObjectName"],
  Stanza: ["stanza", "stanzaRef"],
} as const;
const nameParameters = [...storeParameters.ObjectStore, ...storeParameters.Stanza];
const knownParameters = ["objectStore", "serverName", "stanza"] as const;

/** Reads all that the Cluster says about this plugin. A disabled entry says nothing. */
export function readPluginConfig(cluster: Cluster): PluginConfig {
  const entries = cluster.spec.plugins.flatMap((entry, index) => (isOurs(entry) ? [{ entry, index }] : []));
  // The last one counts, as in the Barman Cloud plugin; that there are several is told as a problem.
  const last = entries.at(-1);
  const own = last && readEntry(cluster, last.entry, `spec.plugins[${last.index}].parameters`);
  const recoverySource = readExternal(cluster, cluster.spec.recovery?.source);
  const replicaSource = readExternal(cluster, cluster.spec.replica?.source);
  const choices = [own, recoverySource, replicaSource];
  const repeated = entries.slice(0, -1).map(({ index }) => ({
    field: `spec.plugins[${index}]`,
    message: `${pluginName} is listed more than once`,
  }));
  return {
    own: own?.choice,
    recoverySource: recoverySource?.choice,
    replicaSource: replicaSource?.choice,
    stores: eachOnce(choices.flatMap((read) => read?.named ?? [])),
    problems: unique([
      ...repeated,
      ...choices.flatMap((read) => (read?.choice.kind === "invalid" ? read.choice.problems : [])),
    ]),
  };
}

/** Whether the Cluster lists this plugin among its own, switched on. */
export const isPluginEnabled = (cluster: Cluster): boolean => cluster.spec.plugins.some(isOurs);

const isOurs = (entry: PluginEntry): boolean => entry.name === pluginName && entry.enabled;

interface ReadEntry {
  readonly choice: StoreChoice;
  readonly named: StoreName | undefined;
}

function eachOnce(names: readonly StoreName[]): readonly StoreName[] {
  const byKey = new Map(names.map(({ kind, name }) => [`${name} ${kind}`, { kind, name }]));
  return [...byKey].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, store]) => store);
}

function readExternal(cluster: Cluster, name: string | undefined): ReadEntry | undefined {
  const external = findExternalCluster(cluster, name);
  if (external?.plugin === undefined || !isOurs(external.plugin)) return undefined;
  const index = cluster.spec.externalClusters.indexOf(external);
  return readEntry(cluster, external.plugin, `spec.externalClusters[${index}].plugin.parameters`);
}

function readEntry(cluster: Cluster, { parameters }: PluginEntry, path: string): ReadEntry {
  const given = namesIn(parameters);
  const [named] = given;
  const serverName = parameters["serverName"] || cluster.metadata.name;
  const problems = [
    ...unknown(parameters, path),
    ...storeProblems(given, path),
    ...serverNameProblems({ kind: named?.kind, serverName, isGiven: "serverName" in parameters }, path),
  ];
  if (problems.length > 0 || named === undefined) return { choice: { kind: "invalid", problems }, named };
  const { kind, name } = named;
  const store = kind === "Stanza" ? { kind, name } : { kind, name, serverName };
  return { choice: { kind: "store", store }, named };
}

interface GivenName extends StoreName {
  readonly parameter: string;
}

const namesIn = (parameters: Readonly<Record<string, string>>): readonly GivenName[] =>
  (["ObjectStore", "Stanza"] as const).flatMap((kind) =>
    storeParameters[kind].flatMap((parameter) => {
      const name = parameters[parameter];
      return name === undefined || name === "" ? [] : [{ kind, name, parameter }];
    }),
  );

/** Nobody reads more; a Cluster has room for many thousands, and each takes time to compare. */
const unknownMax = 20;

function unknown(parameters: Readonly<Record<string, string>>, path: string): readonly ConfigProblem[] {
  const known: ReadonlySet<string> = new Set([...nameParameters, ...knownParameters]);
  const names = Object.keys(parameters).filter((name) => !known.has(name));
  const problems = names
    .toSorted()
    .slice(0, unknownMax)
    .map((name) => {
      const meant = nearest(name, [...nameParameters, ...knownParameters]);
      return {
        field: `${path}.${name}`,
        message: `unknown parameter ${JSON.stringify(name)}; known are ${knownParameters.join(", ")}`,
        ...(meant !== undefined && { hint: `did you mean ${meant}?` }),
      };
    });
  const rest = names.length - problems.length;
  return rest === 0 ? problems : [...problems, { field: path, message: `and ${rest} more unknown parameters` }];
}

function storeProblems(given: readonly GivenName[], path: string): readonly ConfigProblem[] {
  const [first] = given;
  if (first === undefined) {
    const message = "objectStore or stanza is required: the name of an ObjectStore or of a Stanza";
    return [{ field: `${path}.objectStore`, message }];
  }
  const other = given.find(({ kind, name }) => kind !== first.kind || name !== first.name);
  if (other === undefined) return [];
  const said = ({ parameter, name }: GivenName): string => `${parameter} is ${JSON.stringify(name)}`;
  return [{ field: `${path}.${other.parameter}`, message: `${said(first)}, ${said(other)}; give one of them` }];
}

function serverNameProblems(
  { kind, serverName, isGiven }: { kind: string | undefined; serverName: string; isGiven: boolean },
  path: string,
): readonly ConfigProblem[] {
  const field = `${path}.serverName`;
  if (kind === "Stanza" && isGiven) {
    const message = "a Stanza has no servers: its spec.stanzaConfiguration.name says where the backups are";
    return [{ field, message, hint: "leave it out" }];
  }
  if (isServerName(serverName)) return [];
  return [{ field, message: `${JSON.stringify(serverName)} cannot be the name of a folder in a store` }];
}

/** One path segment: a slash would put the archive into another one's folders. */
const isServerName = (name: string): boolean => /^[^/\s\p{C}]{1,253}$/u.test(name) && name !== "." && name !== "..";

/** The same external cluster may be source of recovery and of replication. */
const unique = (problems: readonly ConfigProblem[]): readonly ConfigProblem[] => [
  ...new Map(problems.map((problem) => [`${problem.field} ${problem.message}`, problem])).values(),
];
