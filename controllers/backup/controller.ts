// Drives our Backups: a request becomes a CNPG Backup, a CNPG Backup made by someone else gets a record, and the status
// of each follows the store.
import { apiVersion, backups as backupKind } from "#api/kinds.ts";
import { isObjectName, labels, shortHash } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import { decodeBackup } from "#cnpg/backup.ts";
import { pluginName } from "#cnpg/plugin-config.ts";
import type { KubeClient } from "#kube/client.ts";
import { setConditions } from "#kube/conditions.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import { isKubeError } from "#kube/errors.ts";
import type { EventRecorder } from "#kube/events.ts";
import { keyOf, keyOfObject, type KubeObject } from "#kube/object.ts";
import { createReconcile } from "#kube/reconciler.ts";
import { createStatusWriter } from "#kube/status-writer.ts";
import { createWork } from "./apply.ts";
import { observeBackup, type Sources } from "./observe.ts";
import { planBackup, type Action, type Observed, type Plan } from "./plan.ts";

type Status = NonNullable<Backup["status"]>;

export interface BackupDeps extends Sources {
  readonly client: KubeClient;
  readonly events: EventRecorder;
}

/** Our Backups, and with them whatever their CNPG Backups, Clusters, reports and stores say. */
export function backupSources(deps: BackupDeps): Source[] {
  const { backups, cnpgBackups, clusters, reports, catalogs } = deps;
  const requestsOf = ({ metadata }: KubeObject) =>
    backups.byIndex("cluster", `${metadata.namespace}/${metadata.name}`).map(keyOfObject);
  const ofStore: Source = {
    synced: async () => undefined,
    subscribe: (enqueue) =>
      catalogs.subscribe((store) => {
        for (const backup of backups.list()) if (mayBeIn(backup, store)) enqueue(keyOfObject(backup));
      }),
    replay: () => undefined,
  };
  return [
    sourceOf(backups, ownKey),
    sourceOf(cnpgBackups, (object) => recordsOf(object, deps)),
    sourceOf(clusters, requestsOf),
    sourceOf(reports, requestsOf),
    ofStore,
  ];
}

/** Whether a look at the store may tell something new about the backup. */
function mayBeIn(backup: Backup, store: string): boolean {
  const name = backup.spec.repository?.name ?? backup.status?.repository?.name;
  return name === undefined || keyOf({ namespace: backup.metadata.namespace ?? "", name }) === store;
}

function recordsOf(object: KubeObject, { backups }: BackupDeps) {
  const { namespace = "", name, labels: own } = object.metadata;
  const request = own?.[labels.backup];
  if (request !== undefined) return [{ namespace, name: request }];
  return backups.byIndex("cnpgBackup", `${namespace}/${name}`).map(keyOfObject);
}

export function backupReconcile(deps: BackupDeps): Reconcile {
  const writer = createStatusWriter(deps.client, backupKind, "holdfast");
  return createReconcile<Observed, Action, Plan>({
    observe: async (key) => observeBackup(key, deps),
    plan: (observed) => {
      const plan = planBackup(observed);
      const { actions, requeueAfterMs } = plan;
      return { actions, status: plan, ...(requeueAfterMs !== undefined && { requeueAfterMs }) };
    },
    writeStatus: async (observed, plan, signal) => {
      const { backup } = observed;
      await writer.write(backup, statusOf(backup, plan, new Date()), signal);
      await label(deps.client, backup, signal);
      if (backup.status?.phase !== plan.verdict.phase) await announce(deps.events, backup, plan, signal);
    },
    apply: (_action, { backup }, signal) => createWork(deps.client, backup, signal),
    withFailure: (plan, _action, error) => ({
      ...plan,
      verdict: {
        ...plan.verdict,
        message: `CloudNativePG's Backup cannot be made: ${error instanceof Error ? error.message : String(error)}`,
      },
    }),
  });
}

/** The whole status. Facts of earlier looks stay until a look says otherwise. */
function statusOf(backup: Backup, { verdict, facts }: Plan, now: Date): Status {
  const { conditions = [], error: _error, ...previous } = backup.status ?? {};
  const observedGeneration = backup.metadata.generation ?? 1;
  const { phase, ready: status, reason, message } = verdict;
  const stated = [{ type: "Ready", status, reason, message, observedGeneration }] as const;
  const next = setConditions(conditions, stated, `${now.toISOString().slice(0, 19)}Z`);
  return { ...previous, ...facts, phase, observedGeneration, conditions: next as NonNullable<Status["conditions"]> };
}

/** CNPG's label, so that `-l cnpg.io/cluster=…` finds ours too. */
async function label(client: KubeClient, backup: Backup, signal: AbortSignal): Promise<void> {
  const cluster = backup.spec.cluster?.name;
  if (cluster === undefined || backup.metadata.labels?.[labels.cluster] === cluster) return;
  const patch = { metadata: { labels: { [labels.cluster]: cluster } } };
  await client.patch(backupKind, keyOfObject(backup), patch, { type: "merge", fieldManager: "holdfast", signal });
}

async function announce(events: EventRecorder, backup: Backup, { verdict }: Plan, signal: AbortSignal): Promise<void> {
  const isBad = verdict.phase === "Failed" || verdict.phase === "Missing";
  const event = {
    type: isBad ? "Warning" : "Normal",
    reason: isBad ? verdict.reason : verdict.phase,
    message: verdict.message,
  } as const;
  await events.record({ ...backup, apiVersion, kind: "Backup" }, event, signal);
}

/** Gives a CNPG Backup that someone else made with our plugin its record. */
export function mirrorReconcile(deps: BackupDeps): Reconcile {
  return async (key, signal) => {
    const object = deps.cnpgBackups.get(key);
    if (object === undefined || object.metadata.labels?.[labels.backup] !== undefined) return {};
    const cnpg = decodeBackup(object);
    if (cnpg.spec.method !== "plugin" || cnpg.spec.plugin?.name !== pluginName) return {};
    const { namespace, name, uid = "" } = cnpg.metadata;
    if (deps.backups.byIndex("cnpgBackup", `${namespace}/${name}`).length > 0) return {};
    for (const candidate of [name, `${name.slice(0, 57)}-${shortHash(uid)}`]) {
      const existing = deps.backups.get({ namespace, name: candidate });
      if (existing?.metadata.labels?.[labels.cnpgBackup] === name) return {};
      const record: Backup = {
        apiVersion,
        kind: "Backup",
        metadata: {
          name: candidate,
          namespace,
          labels: {
            [labels.cnpgBackup]: name,
            ...(isObjectName(cnpg.spec.cluster) && { [labels.cluster]: cnpg.spec.cluster }),
          },
        },
        spec: { cluster: { name: cnpg.spec.cluster } },
      };
      try {
        await deps.client.create(backupKind, record, { signal });
        return {};
      } catch (error) {
        if (!isKubeError(error, "AlreadyExists")) throw error;
      }
    }
    return {};
  };
}
