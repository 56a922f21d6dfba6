// Reads what there is to know about one BackupSchedule: its Cluster and the Backups it has made. Caches only.
import { readAgenda } from "#api/backup-schedule.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import { validate } from "#api/gen/backup-schedule.validator.js";
import { annotations } from "#api/names.ts";
import { violations } from "#api/violations.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import { isPluginEnabled } from "#cnpg/plugin-config.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, keyOfObject, type KubeObject, type ObjectKey } from "#kube/object.ts";
import type { Observed, Run } from "./facts.ts";

export interface Sources {
  readonly schedules: Informer<BackupSchedule>;
  /** With the index "schedule". */
  readonly backups: Informer<Backup>;
  readonly clusters: Informer<KubeObject>;
  /** By schedule: the Backup that was made last, until the cache has it too. */
  readonly fresh: Map<string, Backup>;
  /** By schedule: why the last try to make a Backup failed. */
  readonly troubles: Map<string, string>;
  readonly now: () => Date;
}

/** How long a Backup that the cache does not show is believed to be there. */
const freshMs = 60_000;

export function observeSchedule(key: ObjectKey, sources: Sources): Observed | undefined {
  const schedule = sources.schedules.get(key);
  if (schedule === undefined) {
    sources.fresh.delete(keyOf(key));
    sources.troubles.delete(keyOf(key));
    return undefined;
  }
  const now = sources.now();
  const { problems, agenda } = readAgenda(schedule.spec, keyOf(key), now);
  const wrong = validate(schedule.spec) ? [] : violations("spec", validate.errors);
  const trouble = sources.troubles.get(keyOf(key));
  const lines = [...wrong, ...problems.map(({ field, message, hint }) => `${field}: ${message}; ${hint}`)];
  return {
    schedule,
    now,
    ...(lines.length > 0 ? { invalid: lines.join("; ") } : agenda && { agenda }),
    cluster: clusterState(schedule, sources),
    runs: backupsOf(key, sources, now)
      .filter(({ spec }) => spec.cluster !== undefined)
      .map(runOf),
    ...(trouble !== undefined && { trouble }),
  };
}

function backupsOf(key: ObjectKey, { backups, fresh }: Sources, now: Date): readonly Backup[] {
  const known = backups.byIndex("schedule", keyOf(key));
  const made = fresh.get(keyOf(key));
  if (made === undefined) return known;
  const age = now.getTime() - Date.parse(made.metadata.creationTimestamp ?? "");
  if (age < freshMs && backups.get(keyOfObject(made)) === undefined) return [...known, made];
  fresh.delete(keyOf(key));
  return known;
}

function clusterState({ metadata, spec }: BackupSchedule, { clusters }: Sources): Observed["cluster"] {
  const object = clusters.get({ namespace: metadata.namespace ?? "", name: spec.cluster?.name ?? "" });
  if (object === undefined) return "missing";
  return isPluginEnabled(decodeCluster(object)) ? "found" : "no-plugin";
}

function runOf({ metadata, status }: Backup): Run {
  const planned = Date.parse(metadata.annotations?.[annotations.planned] ?? "");
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return {
    name: metadata.name,
    uid: metadata.uid ?? "",
    createdAt: new Date(metadata.creationTimestamp ?? 0),
    ...(!Number.isNaN(planned) && { planned: new Date(planned) }),
    phase: status?.phase ?? "Pending",
    isDeleting: metadata.deletionTimestamp !== undefined,
    isStored: status?.backupId !== undefined,
    ...(ready !== undefined && { reason: ready.reason, message: ready.message }),
  };
}
