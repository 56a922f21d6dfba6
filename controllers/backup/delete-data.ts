// Deletes a Backup's data together with it, or says why the data stays; then lets the object go. Each step may be
// repeated after a crash at any point.
import { apiVersion, objectStores, stanzas } from "#api/kinds.ts";
import type { Backup } from "#api/gen/backup.ts";
import { decodeBackup, isFinished } from "#cnpg/backup.ts";
import { backups as cnpgBackups } from "#cnpg/resources.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Reconcile, ReconcileResult } from "#kube/controller.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { KubeObject } from "#kube/object.ts";
import type { Logger } from "#observe/logger.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { findStore, type OpenRepository, type StoreObject } from "../repositories.ts";
import { cancelWork, removeFinalizer } from "./apply.ts";
import { isWorkOf, planDeletion } from "./deletion.ts";
import { readDeletionFacts } from "./deletion-facts.ts";
import { repositoryNow } from "./moved.ts";
import { restoringFrom } from "./restoring.ts";
import { oneLine } from "./terms.ts";
import { worksOf, type Sources } from "./observe.ts";
import { nameOfStore, placeOf, storeKeyAt } from "./place.ts";
import { destinationOf } from "./status.ts";

export interface DeletionDeps extends Sources {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly openRepository: OpenRepository;
  /** Shows on the object what is going on. */
  readonly say: (backup: Backup, message: string, signal: AbortSignal) => Promise<void>;
}

/** While another deletion at the same place is on its way. */
const turnMs = 500;

/** A backup that is given up is gone from the sidecar's report within seconds. */
const waitMs = 2_000;

export function deletionReconcile(deps: DeletionDeps): Reconcile {
  const { client, events } = deps;
  /** Places in the stores of which a deletion is decided or done just now. */
  const busy = new Set<string>();
  const remove = async (backup: Backup, signal: AbortSignal, logger: Logger): Promise<ReconcileResult> => {
    const store = storeOf(backup, deps);
    const facts = await readDeletionFacts(backup, {
      client,
      sources: deps,
      openRepository: deps.openRepository,
      signal,
    });
    const plan = planDeletion(facts);
    logger.info({ plan: plan.kind, why: plan.why }, "a Backup is being deleted");
    const tell = (type: "Normal" | "Warning", reason: string, message: string): Promise<void> =>
      events.record({ ...backup, apiVersion, kind: "Backup" }, { type, reason, message }, signal);
    switch (plan.kind) {
      case "wait": {
        const unfinished = worksOf(backup, deps).filter((work) => !isFinished(work));
        const names = unfinished.map(({ metadata }) => metadata.name);
        await deps.say(backup, plan.why, signal);
        await cancelWork(client, backup, names, signal);
        return { requeueAfterMs: waitMs };
      }
      case "retain":
        await tell("Warning", "DataRetained", `the data stays in the store: ${plan.why}`);
        break;
      case "nothing":
        break;
      case "delete":
        // What a try before this one said stands until one succeeds, so that the status stays still.
        if (!isRefused(backup)) await deps.say(backup, "its data is being deleted from the store", signal);
        try {
          for (const record of plan.records) await deleteRecord(backup, record, { store, deps, logger, signal });
        } catch (error) {
          signal.throwIfAborted();
          const why = oneLine(error instanceof Error ? error.message : String(error));
          await deps.say(backup, `${refused}: ${why} (spec.deletionPolicy Retain lets the object go without)`, signal);
          throw error;
        }
        await tell("Normal", "DataDeleted", `deleted from the store: ${plan.records.map(({ id }) => id).join(", ")}`);
        break;
    }
    await removeFinalizer(client, backup, signal);
    return {};
  };
  return async (key, signal, logger) => {
    const backup = deps.backups.get(key);
    if (backup === undefined) return {};
    // One at a time, or each of the last two would see the other stay.
    const turn = turnOf(backup, deps);
    if (busy.has(turn)) return { requeueAfterMs: turnMs };
    busy.add(turn);
    try {
      return await remove(backup, signal, logger);
    } finally {
      busy.delete(turn);
    }
  };
}

const refused = "its data cannot be deleted from the store";

const isRefused = ({ status }: Backup): boolean =>
  status?.conditions?.some(({ type, message }) => type === "Ready" && message.startsWith(refused)) ?? false;

/** Two stores may lead to one place. */
function turnOf(backup: Backup, deps: Sources): string {
  const place = placeOf(backup, deps);
  const store = storeOf(backup, deps);
  if (place === undefined || store === undefined) return backup.metadata.uid ?? "";
  const number = repositoryNow(backup, store, backup.status?.selectedRepository);
  const { destinationPath, endpointURL } = destinationOf(store, number);
  return JSON.stringify([endpointURL, destinationPath?.replace(/\/+$/, ""), place.serverName]);
}

function storeOf(backup: Backup, deps: Sources): StoreObject | undefined {
  const place = placeOf(backup, deps);
  return place && findStore(deps, storeKeyAt(backup, place));
}

interface Deletion {
  /** As it was when the deletion was decided. */
  readonly store: StoreObject | undefined;
  readonly deps: DeletionDeps;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

async function deleteRecord(
  backup: Backup,
  record: BackupRecord,
  { store, deps, logger, signal }: Deletion,
): Promise<void> {
  const place = placeOf(backup, deps);
  if (place === undefined || store === undefined)
    throw new Error(`${place === undefined ? "the store" : nameOfStore(place)} has gone meanwhile`);
  const key = storeKeyAt(backup, place);
  const { repository, alone } = await deps.openRepository(store, { signal, repository: record.repository });
  const objects = await alone("delete a backup", signal, async (held) => {
    await requireUnchanged(store, deps, held);
    if (restoringFrom(deps.reports).has(record.id)) throw new Error(`backup ${record.id} is being restored from`);
    return await repository.removeBackup(place.serverName, record.id, { signal: held });
  });
  deps.catalogs.noteDeleted(key, place.serverName, record.id);
  logger.info({ backup: record.id, server: place.serverName, objects }, "deleted the data of a backup");
  deps.lookAt(key);
  await removeCnpgBackups(backup, record, { namespace: key.namespace ?? "", deps, signal });
}

/**
 * Whoever waited for others decides by what is so now, and the cache may be late. Another spec may lead elsewhere, or number
 * its repositories otherwise: then all is read and decided again.
 */
async function requireUnchanged(before: StoreObject, { client }: DeletionDeps, signal: AbortSignal): Promise<void> {
  const { name, namespace = "", uid, generation } = before.object.metadata;
  const kind = before.kind === "Stanza" ? stanzas : objectStores;
  const now = await client.get<KubeObject>(kind, { name, namespace }, { signal });
  const isSame = now !== undefined && now.metadata.uid === uid && now.metadata.generation === generation;
  if (!isSame || now.metadata.deletionTimestamp !== undefined)
    throw new Error(`${before.kind} ${name} was changed while its backup was to be deleted: it is looked at again`);
}

async function removeCnpgBackups(
  backup: Backup,
  record: BackupRecord,
  {
    namespace,
    deps,
    signal,
  }: { readonly namespace: string; readonly deps: DeletionDeps; readonly signal: AbortSignal },
): Promise<void> {
  for (const object of deps.cnpgBackups.list()) {
    if (object.metadata.namespace !== namespace) continue;
    const work = decodeBackup(object);
    if (!isWorkOf(work, record, backup)) continue;
    const { name, uid } = work.metadata;
    await deps.client.delete(cnpgBackups, { namespace, name }, { signal, ...(uid !== undefined && { uid }) });
  }
}
