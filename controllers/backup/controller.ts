// Drives our Backups: a request becomes CNPG Backups, one at a time for a Cluster, and the status of each follows the
// store.
import { apiVersion, backups as backupKind } from "#api/kinds.ts";
import { isObjectName, labels } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import { decodeBackup } from "#cnpg/backup.ts";
import type { KubeClient } from "#kube/client.ts";
import { setConditions, type StatedCondition } from "#kube/conditions.ts";
import { sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { EventRecorder } from "#kube/events.ts";
import { keyOfObject, type KubeObject, type ObjectKey } from "#kube/object.ts";
import { createReconcile } from "#kube/reconciler.ts";
import { createStatusWriter } from "#kube/status-writer.ts";
import { timestamp } from "#kube/timestamp.ts";
import { BoundedMap } from "#std/bounded-map.ts";
import type { OpenRepository } from "../repositories.ts";
import type { StoreKey } from "../store-key.ts";
import { addFinalizer, cancelWork, createWork, removeFinalizer } from "./apply.ts";
import { deletionReconcile } from "./delete-data.ts";
import { observeBackup, type Sources } from "./observe.ts";
import { finalizer, planBackup } from "./plan.ts";
import { Progresses } from "./progress.ts";
import { isOpen } from "./queue.ts";
import { done, oneLine, type Action, type Observed, type Plan, type Status } from "./terms.ts";
import { createVerifier } from "./verification.ts";

export interface BackupDeps extends Sources {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly openRepository: OpenRepository;
}

/** Our Backups, and with them whatever their CNPG Backups, Clusters, reports and stores say. */
export function backupSources(deps: BackupDeps): Source[] {
  const { backups, cnpgBackups, clusters, reports, catalogs } = deps;
  /** Those of a Cluster that are not ended: what happens to one of them changes the queue of the others. */
  const openOf = (cluster: string): ObjectKey[] => backups.byIndex("cluster", cluster).filter(isOpen).map(keyOfObject);
  const ofCluster = ({ metadata }: KubeObject) => openOf(`${metadata.namespace}/${metadata.name}`);
  const ofBackup = (backup: Backup) => [
    keyOfObject(backup),
    ...(backup.spec.cluster === undefined ? [] : openOf(`${backup.metadata.namespace}/${backup.spec.cluster.name}`)),
  ];
  const ofWork = (object: KubeObject) => [
    ...ownersOf(object, deps),
    ...openOf(`${object.metadata.namespace}/${decodeBackup(object).spec.cluster}`),
  ];
  const ofStore: Source = {
    synced: async () => undefined,
    subscribe: (enqueue) =>
      catalogs.subscribe((store) => {
        for (const backup of backups.list()) if (mayBeIn(backup, store)) enqueue(keyOfObject(backup));
      }),
    replay: () => undefined,
  };
  return [
    sourceOf(backups, ofBackup),
    sourceOf(cnpgBackups, ofWork),
    sourceOf(clusters, ofCluster),
    sourceOf(reports, ofCluster),
    ofStore,
  ];
}

/** Whether a look at the store may tell something new about the backup. */
function mayBeIn({ metadata, spec, status }: Backup, { kind, namespace, name }: StoreKey): boolean {
  if (metadata.namespace !== namespace) return false;
  const repository = spec.repository ?? status?.repository;
  return repository === undefined || (repository.kind === kind && repository.name === name);
}

function ownersOf(object: KubeObject, { backups }: BackupDeps): ObjectKey[] {
  const { namespace = "", name, labels: own } = object.metadata;
  const request = own?.[labels.backup];
  if (request !== undefined) return [{ namespace, name: request }];
  return backups.byIndex("cnpgBackup", `${namespace}/${name}`).map(keyOfObject);
}

export function backupReconcile(deps: BackupDeps): Reconcile {
  const { client } = deps;
  const writer = createStatusWriter(client, backupKind, "holdfast");
  const looks = { verifier: createVerifier(deps.openRepository), progresses: new Progresses() };
  const say = async (backup: Backup, message: string, signal: AbortSignal): Promise<void> => {
    const plan = done("Expiring", "False", "Progressing", message);
    await writer.write(backup, statusOf(backup, plan, new Date()), signal);
  };
  /** By uid: why the last try to make a CNPG Backup failed. Told between the tries, so that the status stays still. */
  const troubles = new BoundedMap<string, string>(troublesMax);
  const remove = deletionReconcile({ ...deps, say });
  const reconcile = createReconcile<Observed, Action, Plan>({
    observe: (key, signal) => observeBackup(key, deps, { ...looks, signal }),
    plan: (observed) => {
      const trouble = troubles.get(observed.backup.metadata.uid ?? "");
      const planned = planBackup(observed);
      const isMade = planned.actions.some(({ kind }) => kind === "createWork");
      const plan = isMade && trouble !== undefined ? notMade(planned, trouble) : planned;
      const { actions, requeueAfterMs } = plan;
      return { actions, status: plan, ...(requeueAfterMs !== undefined && { requeueAfterMs }) };
    },
    writeStatus: async (observed, plan, signal) => {
      const { backup } = observed;
      await writer.write(backup, statusOf(backup, plan, observed.now), signal);
      await label(client, backup, signal);
      await announce(deps.events, backup, plan, signal);
    },
    apply: async (action, { backup, storeKind }, signal) => {
      switch (action.kind) {
        case "createWork":
          try {
            await createWork(client, backup, { attempt: action.attempt, storeKind }, signal);
            troubles.delete(backup.metadata.uid ?? "");
          } catch (error) {
            troubles.set(backup.metadata.uid ?? "", wordsOf(error));
            throw error;
          }
          return;
        case "cancelWork":
          return cancelWork(client, backup, action.names, signal);
        case "holdDeletion":
          return addFinalizer(client, backup, signal);
        case "releaseDeletion":
          return removeFinalizer(client, backup, signal);
      }
    },
    withFailure: (plan, action, error) => (action.kind === "createWork" ? notMade(plan, wordsOf(error)) : plan),
  });
  return (key, signal, logger) => {
    const { deletionTimestamp, finalizers } = deps.backups.get(key)?.metadata ?? {};
    if (deletionTimestamp === undefined) return reconcile(key, signal, logger);
    const isOurs = finalizers?.includes(finalizer) === true;
    if (!isOurs) return Promise.resolve({});
    const goes = deps.backups.get(key)?.spec.deletionPolicy === "Delete";
    return goes ? remove(key, signal, logger) : reconcile(key, signal, logger);
  };
}

const troublesMax = 1_000;

const wordsOf = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error));

const notMade = (plan: Plan, trouble: string): Plan => ({
  ...plan,
  verdict: {
    ...plan.verdict,
    message: `CloudNativePG's Backup cannot be made: ${trouble}`,
  },
});

/** The whole status. Facts of earlier looks stay until a look says otherwise; what tells of the moment does not. */
function statusOf(backup: Backup, { verdict, facts }: Plan, now: Date): Status {
  const {
    conditions = [],
    error: _error,
    progress: _progress,
    bytesPerSecond: _rate,
    queuePosition: _position,
    nextAttemptAt: _next,
    ...previous
  } = backup.status ?? {};
  const observedGeneration = backup.metadata.generation ?? 1;
  const { phase, ready: status, reason, message } = verdict;
  const stated: StatedCondition[] = [{ type: "Ready", status, reason, message, observedGeneration }];
  if (phase === "Pending" || phase === "Running" || phase === "Finalizing" || phase === "Expiring")
    stated.push({ type: "Reconciling", status: "True", reason, message, observedGeneration });
  if (phase === "Failed" || phase === "Missing")
    stated.push({ type: "Stalled", status: "True", reason, message, observedGeneration });
  const next = setConditions(conditions, stated, timestamp(now));
  return { ...previous, ...facts, phase, observedGeneration, conditions: next as NonNullable<Status["conditions"]> };
}

/** CNPG's label, so that `-l cnpg.io/cluster=…` finds ours too. */
async function label(client: KubeClient, backup: Backup, signal: AbortSignal): Promise<void> {
  const cluster = backup.spec.cluster?.name;
  if (cluster === undefined || !isObjectName(cluster) || backup.metadata.labels?.[labels.cluster] === cluster) return;
  const patch = { metadata: { labels: { [labels.cluster]: cluster } } };
  await client.patch(backupKind, keyOfObject(backup), patch, { type: "merge", fieldManager: "holdfast", signal });
}

/** Says each phase once, and that a backup waits in line or is to be tried again. */
async function announce(events: EventRecorder, backup: Backup, { verdict }: Plan, signal: AbortSignal): Promise<void> {
  const said = backup.status?.conditions?.find(({ type }) => type === "Ready")?.reason;
  const isNews = verdict.reason !== said && ["Queued", "Retrying", "MissingMetadata"].includes(verdict.reason);
  if (backup.status?.phase === verdict.phase && !isNews) return;
  const isBad = verdict.phase === "Failed" || verdict.phase === "Missing" || verdict.reason === "Retrying";
  const isPlain = !isBad && verdict.reason !== "Queued";
  const event = {
    type: isBad ? "Warning" : "Normal",
    reason: isPlain ? verdict.phase : verdict.reason,
    message: verdict.message,
  } as const;
  await events.record({ ...backup, apiVersion, kind: "Backup" }, event, signal);
}
