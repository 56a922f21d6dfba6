// The slice of CloudNativePG's Cluster that this product reads, with CNPG's defaults filled in. Never written back and
// never a source of patches. Pure.
import type { Condition } from "#kube/object.ts";
import type { RecoveryTargetBlock } from "#postgres/recovery-target.ts";
import {
  fieldsOf,
  flagOf,
  isObject,
  listOf,
  numberOf,
  objectOf,
  textOf,
  textsOf,
  type Fields,
  type NamespacedMeta,
} from "./json.ts";
import { wantedMajor } from "./postgres-major.ts";

/** An entry of spec.plugins, or the plugin of an entry of spec.externalClusters. */
export interface PluginEntry {
  readonly name: string;
  readonly enabled: boolean;
  readonly isWALArchiver: boolean;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface ExternalCluster {
  readonly name: string;
  readonly plugin: PluginEntry | undefined;
}

export interface RecoveryBootstrap {
  /** Name of the external cluster to recover from. */
  readonly source: string | undefined;
  readonly recoveryTarget: RecoveryTargetBlock | undefined;
}

export interface ReplicaSettings {
  readonly enabled: boolean | undefined;
  readonly self: string | undefined;
  readonly primary: string | undefined;
  /** Name of the external cluster to follow. */
  readonly source: string | undefined;
}

export interface ClusterSpec {
  readonly instances: number;
  readonly imageName: string | undefined;
  /** Major version of PostgreSQL that it is to run, where its image or catalog tells. */
  readonly postgresMajor: number | undefined;
  readonly imagePullPolicy: string | undefined;
  readonly serviceAccountName: string | undefined;
  /** Names of the variables in spec.env, which CNPG puts into the containers that run PostgreSQL. */
  readonly env: readonly string[];
  /** Whether pg_wal has a volume of its own. */
  readonly hasWalStorage: boolean;
  readonly tablespaces: readonly string[];
  readonly plugins: readonly PluginEntry[];
  readonly externalClusters: readonly ExternalCluster[];
  /** Present when the Cluster is made by recovery. */
  readonly recovery: RecoveryBootstrap | undefined;
  readonly replica: ReplicaSettings | undefined;
  /** Whether CNPG's built-in archiver is configured (spec.backup.barmanObjectStore). */
  readonly hasBarmanObjectStore: boolean;
  /** spec.backup.target: which instance backups are taken from. */
  readonly backupTarget: string;
}

export interface ClusterStatus {
  /** Absent until the first primary runs, so while the Cluster is bootstrapped. */
  readonly currentPrimary: string | undefined;
  /** May be the word "pending" during a failover. */
  readonly targetPrimary: string | undefined;
  readonly timelineID: number | undefined;
  readonly systemID: string | undefined;
  readonly phase: string | undefined;
  readonly phaseReason: string | undefined;
  readonly readyInstances: number;
  readonly instanceNames: readonly string[];
  readonly image: string | undefined;
  readonly conditions: readonly Condition[];
}

export interface Cluster {
  readonly metadata: NamespacedMeta;
  readonly spec: ClusterSpec;
  readonly status: ClusterStatus;
}

/**
 * Reads a Cluster from its JSON text (as CNPG-I sends it) or from parsed JSON (as a watch gives it). Fields that are
 * missing or odd read as absent; CnpgError "Malformed" only when it is no object with a name and a namespace.
 */
export function decodeCluster(source: unknown): Cluster {
  const object = objectOf("Cluster", source);
  return {
    metadata: object.metadata,
    spec: decodeSpec(fieldsOf(object["spec"])),
    status: decodeStatus(fieldsOf(object["status"])),
  };
}

function decodeSpec(spec: Fields): ClusterSpec {
  const bootstrap = fieldsOf(spec["bootstrap"]);
  const backup = fieldsOf(spec["backup"]);
  return {
    instances: numberOf(spec["instances"]) ?? 1,
    imageName: textOf(spec["imageName"]),
    postgresMajor: wantedMajor({ spec }),
    imagePullPolicy: textOf(spec["imagePullPolicy"]),
    serviceAccountName: textOf(spec["serviceAccountName"]),
    env: names(spec["env"]),
    hasWalStorage: isObject(spec["walStorage"]),
    tablespaces: names(spec["tablespaces"]),
    plugins: listOf(spec["plugins"]).flatMap((entry) => decodePlugin(entry) ?? []),
    externalClusters: listOf(spec["externalClusters"]).map((entry) => decodeExternal(fieldsOf(entry))),
    recovery: isObject(bootstrap["recovery"]) ? decodeRecovery(bootstrap["recovery"]) : undefined,
    replica: isObject(spec["replica"]) ? decodeReplica(spec["replica"]) : undefined,
    hasBarmanObjectStore: isObject(backup["barmanObjectStore"]),
    backupTarget: textOf(backup["target"]) ?? "prefer-standby",
  };
}

function decodePlugin(entry: unknown): PluginEntry | undefined {
  const fields = fieldsOf(entry);
  const name = textOf(fields["name"]);
  if (name === undefined) return undefined;
  return {
    name,
    enabled: flagOf(fields["enabled"]) ?? true,
    isWALArchiver: flagOf(fields["isWALArchiver"]) ?? false,
    parameters: textsOf(fields["parameters"]),
  };
}

const decodeExternal = (entry: Fields): ExternalCluster => ({
  name: textOf(entry["name"]) ?? "",
  plugin: decodePlugin(entry["plugin"]),
});

const decodeRecovery = (recovery: Fields): RecoveryBootstrap => ({
  source: textOf(recovery["source"]),
  recoveryTarget: isObject(recovery["recoveryTarget"]) ? recovery["recoveryTarget"] : undefined,
});

const decodeReplica = (replica: Fields): ReplicaSettings => ({
  enabled: flagOf(replica["enabled"]),
  self: textOf(replica["self"]),
  primary: textOf(replica["primary"]),
  source: textOf(replica["source"]),
});

const decodeStatus = (status: Fields): ClusterStatus => ({
  currentPrimary: textOf(status["currentPrimary"]),
  targetPrimary: textOf(status["targetPrimary"]),
  timelineID: numberOf(status["timelineID"]),
  systemID: textOf(status["systemID"]),
  phase: textOf(status["phase"]),
  phaseReason: textOf(status["phaseReason"]),
  readyInstances: numberOf(status["readyInstances"]) ?? 0,
  instanceNames: listOf(status["instanceNames"]).flatMap((name) => textOf(name) ?? []),
  image: textOf(status["image"]),
  conditions: listOf(status["conditions"]).filter(isCondition),
});

const names = (list: unknown): readonly string[] =>
  listOf(list).flatMap((entry) => textOf(fieldsOf(entry)["name"]) ?? []);

const isCondition = (value: unknown): value is Condition =>
  ["type", "status", "reason"].every((field) => typeof fieldsOf(value)[field] === "string");

/** The account that the Cluster's pods run as. */
export const serviceAccountName = (cluster: Cluster): string =>
  cluster.spec.serviceAccountName ?? cluster.metadata.name;

/** Whether the Cluster follows another one now. CNPG: `enabled` decides when it is set, else who `primary` names. */
export function isReplicaCluster({ metadata, spec: { replica } }: Cluster): boolean {
  if (replica === undefined) return false;
  return replica.enabled ?? (replica.self ?? metadata.name) !== replica.primary;
}

/**
 * Whether what PostgreSQL restores now decides where the new database begins: no primary has run yet. An error to a
 * restore call then ends recovery early, which loses data; on a running instance it only makes it try again.
 */
export const isArchiveRecovery = (cluster: Cluster): boolean => cluster.status.currentPrimary === undefined;

export const findExternalCluster = (cluster: Cluster, name: string | undefined): ExternalCluster | undefined =>
  name === undefined ? undefined : cluster.spec.externalClusters.find((external) => external.name === name);

/** The user's word that an archive that holds WAL already is no mistake. */
export const skipsEmptyArchiveCheck = (cluster: Cluster): boolean =>
  cluster.metadata.annotations?.["cnpg.io/skipEmptyWalArchiveCheck"] === "enabled";

/** The user's word that this Cluster shall not archive at all: CNPG sets archive_mode to off. */
export const skipsWalArchiving = (cluster: Cluster): boolean =>
  cluster.metadata.annotations?.["cnpg.io/skipWalArchiving"] === "enabled";
