// Records for backups in a store that have none, and those that come back because only the record was deleted.
import { apiVersion, backups as backupKind } from "#api/kinds.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { KubeClient } from "#kube/client.ts";
import { sourceOf, type Source } from "#kube/controller.ts";
import { isKubeError, isNamespaceTerminating } from "#kube/errors.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import type { Logger } from "#observe/logger.ts";
import type { Catalogs } from "../catalogs.ts";
import type { StoreKey, StoreKind } from "../store-key.ts";
import { idOf, type PlannedRecord } from "./plan-records.ts";

export interface RecordDeps {
  readonly client: KubeClient;
  readonly backups: Informer<Backup>;
  readonly catalogs: Catalogs;
  readonly events: EventRecorder;
}

/** The store of a record that is deleted: while the backup is in the store, the record comes back at once. */
export const deletedRecords = (
  { backups, catalogs }: Pick<RecordDeps, "backups" | "catalogs">,
  kind: StoreKind,
): Source => ({
  ...sourceOf(backups, () => []),
  subscribe: (enqueue) =>
    backups.subscribe(({ type, object }) => {
      const repository = object.spec.repository ?? object.status?.repository;
      const server = object.spec.repository?.serverName ?? object.status?.serverName;
      const id = idOf(object);
      if (type !== "deleted" || repository?.kind !== kind || server === undefined || id === undefined) return;
      const key = { namespace: object.metadata.namespace ?? "", name: repository.name };
      catalogs.noteRecordDeleted({ ...key, kind }, server, id);
      enqueue(key);
    }),
});

export interface Look {
  readonly store: StoreKey;
  /** When the look began, in monotonic milliseconds. */
  readonly startedAt: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export async function makeRecords(
  { client, catalogs, events }: RecordDeps,
  records: readonly PlannedRecord[],
  { store, startedAt, logger, signal }: Look,
): Promise<void> {
  for (const { object, why } of records) {
    const place = [store, object.spec.repository?.serverName ?? "", object.spec.backupId ?? ""] as const;
    if (catalogs.isDeletedSince(startedAt, ...place)) continue;
    const made = await create(client, object, signal);
    if (made === undefined) continue;
    logger.info({ backup: object.metadata.name, why }, "record made");
    if (catalogs.takeRecordDeleted(...place)) await announceReturn(events, made, signal);
  }
}

/**
 * Undefined when the name was taken a moment ago: the next look sees by what and finds another. And in a namespace that
 * is being deleted nothing is to be made.
 */
async function create(client: KubeClient, object: Backup, signal: AbortSignal): Promise<Backup | undefined> {
  try {
    return await client.create(backupKind, object, { signal });
  } catch (error) {
    if (!isKubeError(error, "AlreadyExists") && !isNamespaceTerminating(error)) throw error;
    return undefined;
  }
}

/** Somebody deleted the record and kept the data. */
const announceReturn = (events: EventRecorder, made: Backup, signal: AbortSignal): Promise<void> =>
  events.record(
    { ...made, apiVersion, kind: "Backup" },
    {
      type: "Normal",
      reason: "RecordRestored",
      message:
        "the record was deleted, and its backup is still in the store: with spec.deletionPolicy Delete the data goes too",
    },
    signal,
  );
