// Who archives a Cluster's WAL, and which archive one of its pods restores from. Pure; every answer says why.
import { isArchiveRecovery, isReplicaCluster, type Cluster } from "./cluster.ts";
import {
  isPluginEnabled,
  pluginName,
  readPluginConfig,
  type ConfigProblem,
  type StoreChoice,
  type StoreReference,
} from "./plugin-config.ts";

export type Archiving =
  /** We store the WAL. Without `flagged` only because nobody else does: worth a warning at admission. */
  | { readonly archive: true; readonly flagged: boolean; readonly why: string }
  /** Another one stores it: an Archive call is answered OK without storing. */
  | { readonly archive: false; readonly archiver: string; readonly why: string }
  /** Nobody does: an Archive call must fail, since no answer may acknowledge a segment that nobody stores. */
  | { readonly archive: false; readonly archiver: undefined; readonly why: string };

const inTreeArchiver = "spec.backup.barmanObjectStore";

/** CNPG calls Archive on every plugin that can, whatever isWALArchiver says; so the plugin has to decide. */
export function archiving(cluster: Cluster): Archiving {
  const enabled = cluster.spec.plugins.filter((entry) => entry.enabled);
  if (enabled.some((entry) => entry.name === pluginName && entry.isWALArchiver)) {
    return { archive: true, flagged: true, why: `${pluginName} has isWALArchiver: true` };
  }
  const other = enabled.find((entry) => entry.isWALArchiver);
  if (other !== undefined) {
    return { archive: false, archiver: other.name, why: `${other.name} has isWALArchiver: true` };
  }
  if (cluster.spec.hasBarmanObjectStore) {
    return { archive: false, archiver: inTreeArchiver, why: `CloudNativePG archives by ${inTreeArchiver}` };
  }
  if (isPluginEnabled(cluster)) {
    return { archive: true, flagged: false, why: `no plugin has isWALArchiver: true, so ${pluginName} archives` };
  }
  return { archive: false, archiver: undefined, why: `${pluginName} is not enabled in spec.plugins` };
}

export type SourceRole = "recoverySource" | "replicaSource" | "own";

export type WalSource =
  | { readonly kind: "store"; readonly role: SourceRole; readonly store: StoreReference; readonly why: string }
  /** There is no archive of ours to ask: whatever is asked for is not there. */
  | { readonly kind: "none"; readonly why: string }
  /** There is one, but its configuration is wrong: that is no absence. */
  | { readonly kind: "invalid"; readonly problems: readonly ConfigProblem[]; readonly why: string };

/** Which archive the pod restores WAL from. `podName` is the pod's own name; in a Job that of the Job. */
export function walSource(cluster: Cluster, podName: string): WalSource {
  const config = readPluginConfig(cluster);
  if (isArchiveRecovery(cluster)) return bootstrapSource(config.recoverySource, config.replicaSource);
  if (cluster.status.currentPrimary === podName && config.replicaSource !== undefined) {
    // Also when the Cluster no longer counts as a replica cluster: while it is promoted, PostgreSQL still replays up to
    // the source's last position. A primary that has been promoted asks for nothing.
    const state = isReplicaCluster(cluster) ? "is the designated primary" : "is being promoted";
    return sourceOf("replicaSource", config.replicaSource, `${podName} ${state}, it follows spec.replica.source`);
  }
  if (config.own !== undefined) return sourceOf("own", config.own, `${podName} follows this Cluster's own archive`);
  return { kind: "none", why: `${pluginName} is not enabled in spec.plugins` };
}

function bootstrapSource(recovery: StoreChoice | undefined, replica: StoreChoice | undefined): WalSource {
  const why = "no primary has run yet";
  if (recovery !== undefined)
    return sourceOf("recoverySource", recovery, `${why}, spec.bootstrap.recovery.source counts`);
  if (replica !== undefined) return sourceOf("replicaSource", replica, `${why}, spec.replica.source counts`);
  // Never the own archive: it may hold the WAL of another database, which a new one must not replay.
  return { kind: "none", why: `${why}, and ${pluginName} is not the source of its recovery` };
}

const sourceOf = (role: SourceRole, choice: StoreChoice, why: string): WalSource =>
  choice.kind === "store"
    ? { kind: "store", role, store: choice.store, why }
    : { kind: "invalid", problems: choice.problems, why };
