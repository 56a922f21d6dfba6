// What a Cluster asks of this plugin: which stores, under which server names, and what is wrong with the asking. Pure.
import { nearest } from "#std/nearest.ts";
import { findExternalCluster, type Cluster, type PluginEntry } from "./cluster.ts";

/** The plugin's name everywhere: metadata, Service label, socket file, spec.plugins[].name. */
export const pluginName = "holdfast.dev";

/** An ObjectStore in the Cluster's namespace and the server (the archive) in it. */
export interface StoreReference {
  readonly name: string;
  readonly serverName: string;
}

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
  /** Names of all stores referred to, sorted, each once; also those of choices that are invalid for another reason. */
  readonly stores: readonly string[];
  readonly problems: readonly ConfigProblem[];
}

const storeParameters = ["objectStore", "barmanObjectName"] as const;
const stanzaParameters = ["stanza", "stanzaRef"] as const;
const knownParameters = ["objectStore", "serverName"] as const;

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
    stores: [...new Set(choices.flatMap((read) => read?.storeName ?? []))].toSorted(),
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
  readonly storeName: string | undefined;
}

function readExternal(cluster: Cluster, name: string | undefined): ReadEntry | undefined {
  const external = findExternalCluster(cluster, name);
  if (external?.plugin === undefined || !isOurs(external.plugin)) return undefined;
  const index = cluster.spec.externalClusters.indexOf(external);
  return readEntry(cluster, external.plugin, `spec.externalClusters[${index}].plugin.parameters`);
}

function readEntry(cluster: Cluster, { parameters }: PluginEntry, path: string): ReadEntry {
  const given = storeParameters.flatMap((name) => parameters[name] || []);
  const storeName = given[0];
  const serverName = parameters["serverName"] || cluster.metadata.name;
  const problems = [
    ...unsupported(parameters, path),
    ...unknown(parameters, path),
    ...storeProblems(parameters, given, path),
    ...(isServerName(serverName)
      ? []
      : [
          {
            field: `${path}.serverName`,
            message: `${JSON.stringify(serverName)} cannot be the name of a folder in a store`,
          },
        ]),
  ];
  if (problems.length > 0 || storeName === undefined) return { choice: { kind: "invalid", problems }, storeName };
  return { choice: { kind: "store", store: { name: storeName, serverName } }, storeName };
}

const unsupported = (parameters: Readonly<Record<string, string>>, path: string): readonly ConfigProblem[] =>
  stanzaParameters
    .filter((name) => name in parameters)
    .map((name) => ({ field: `${path}.${name}`, message: `not supported yet: ${name}` }));

/** Nobody reads more; a Cluster has room for many thousands, and each takes time to compare. */
const unknownMax = 20;

function unknown(parameters: Readonly<Record<string, string>>, path: string): readonly ConfigProblem[] {
  const known: ReadonlySet<string> = new Set([...storeParameters, ...stanzaParameters, ...knownParameters]);
  const names = Object.keys(parameters).filter((name) => !known.has(name));
  const problems = names
    .toSorted()
    .slice(0, unknownMax)
    .map((name) => {
      const meant = nearest(name, [...storeParameters, ...knownParameters]);
      return {
        field: `${path}.${name}`,
        message: `unknown parameter ${JSON.stringify(name)}; known are ${knownParameters.join(", ")}`,
        ...(meant !== undefined && { hint: `did you mean ${meant}?` }),
      };
    });
  const rest = names.length - problems.length;
  return rest === 0 ? problems : [...problems, { field: path, message: `and ${rest} more unknown parameters` }];
}

function storeProblems(
  parameters: Readonly<Record<string, string>>,
  given: readonly string[],
  path: string,
): readonly ConfigProblem[] {
  const [first, second] = given;
  if (first === undefined && !stanzaParameters.some((name) => name in parameters)) {
    return [{ field: `${path}.objectStore`, message: "objectStore is required: the name of an ObjectStore" }];
  }
  if (second !== undefined && second !== first) {
    const message = `objectStore is ${JSON.stringify(first)}, barmanObjectName ${JSON.stringify(second)}; give one of them`;
    return [{ field: `${path}.barmanObjectName`, message }];
  }
  return [];
}

/** One path segment: a slash would put the archive into another one's folders. */
const isServerName = (name: string): boolean => /^[^/\s\p{C}]{1,253}$/u.test(name) && name !== "." && name !== "..";

/** The same external cluster may be source of recovery and of replication. */
const unique = (problems: readonly ConfigProblem[]): readonly ConfigProblem[] => [
  ...new Map(problems.map((problem) => [`${problem.field} ${problem.message}`, problem])).values(),
];
