// Makes the Backup of one run. Idempotent: its name follows from the schedule and the planned time, so a second try, or a
// second leader, finds what the first one made.
import { apiVersion, backups } from "#api/kinds.ts";
import { annotations, isObjectName, labels, runName, shortHash } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import type { ObjectKey } from "#kube/object.ts";
import { timestamp } from "#kube/timestamp.ts";
import type { DueRun } from "./times.ts";

/** The Backup of a run, under a name. It has no owner: deleting the schedule deletes no Backup. Pure. */
export function backupFor(schedule: BackupSchedule, { planned, line }: DueRun, name: string): Backup {
  const { metadata, spec } = schedule;
  return {
    apiVersion,
    kind: "Backup",
    metadata: {
      name,
      namespace: metadata.namespace ?? "",
      labels: {
        [labels.schedule]: metadata.name,
        ...(isObjectName(spec.cluster.name) && { [labels.cluster]: spec.cluster.name }),
      },
      annotations: { [annotations.planned]: timestamp(planned) },
    },
    spec: {
      cluster: { name: spec.cluster.name },
      ...(line.type !== undefined && { type: line.type }),
      ...(line.selectedRepository !== undefined && { selectedRepository: line.selectedRepository }),
      ...(line.target !== undefined && { target: line.target }),
      ...(spec.deadline !== undefined && { deadline: spec.deadline }),
      retryLimit: spec.retryLimit ?? 2,
      deletionPolicy: spec.deletionPolicy ?? "Retain",
    },
  };
}

/** The Backup when it was made now; undefined when it was there already. */
export async function createRun(
  client: KubeClient,
  schedule: BackupSchedule,
  run: DueRun,
  signal: AbortSignal,
): Promise<Backup | undefined> {
  const { name: owner, namespace = "", uid = "" } = schedule.metadata;
  for (const tail of ["", shortHash(uid)]) {
    const name = runName(owner, run.planned, tail);
    try {
      return await client.create(backups, backupFor(schedule, run, name), { signal });
    } catch (error) {
      if (!isKubeError(error, "AlreadyExists")) throw error;
      const existing = await client.get<Backup>(backups, { namespace, name }, { signal });
      if (existing?.metadata.labels?.[labels.schedule] === owner) return undefined;
    }
  }
  throw new Error(
    `the names ${runName(owner, run.planned)} and ${runName(owner, run.planned, shortHash(uid))} are taken`,
  );
}

/** Only the very object that was looked at. */
export async function deleteRun(client: KubeClient, key: ObjectKey, uid: string, signal: AbortSignal): Promise<void> {
  try {
    await client.delete(backups, key, { uid, signal });
  } catch (error) {
    if (!isKubeError(error, "Conflict")) throw error;
  }
}
