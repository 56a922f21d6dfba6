// Looks at each store in turn, says in its status whether it can be used, keeps an Archive for each server in it, and
// makes records for backups that have none.
import { apiVersion, archives as archiveKind, objectStores } from "#api/kinds.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import { readPluginConfig } from "#cnpg/plugin-config.ts";
import type { KubeClient } from "#kube/client.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, type KubeObject, type ObjectKey } from "#kube/object.ts";
import { createStatusWriter, type StatusWriter } from "#kube/status-writer.ts";
import type { Logger } from "#observe/logger.ts";
import type { Catalogs } from "../catalogs.ts";
import type { Trigger } from "../trigger.ts";
import { isContradicted } from "./archive-conditions.ts";
import { lookAtStore, type Known, type OpenStore, type Preflight } from "./observe.ts";
import { planStore, type LivingCluster, type PlannedArchive, type StorePlan } from "./plan.ts";
import { deletedRecords, makeRecords } from "./records.ts";
import { keepMeasurements, statusOf } from "./status.ts";

export interface StoreDeps {
  readonly client: KubeClient;
  readonly stores: Informer<ObjectStore>;
  readonly archives: Informer<Archive>;
  readonly backups: Informer<Backup>;
  readonly clusters: Informer<KubeObject>;
  readonly reports: Informer<InstanceReport>;
  readonly catalogs: Catalogs;
  readonly lookAtStore: Trigger;
  readonly openStore: OpenStore;
  readonly events: EventRecorder;
}

/**
 * Stores when their spec changes, and when a report brings news of the archiving to one; the rest of what is observed is
 * read at an interval.
 */
export function storeSources(deps: StoreDeps): Source[] {
  const { stores, archives, clusters, reports, lookAtStore: trigger } = deps;
  const quiet = (informer: Informer<KubeObject>) => sourceOf(informer, () => []);
  const news = (report: InstanceReport): ObjectKey[] =>
    archives.list().flatMap((archive) => {
      const name = archive.status?.repository?.name;
      if (name === undefined || !isContradicted(archive, report, new Date())) return [];
      return [{ namespace: report.metadata.namespace ?? "", name }];
    });
  return [
    sourceOf(stores, ownKey),
    quiet(archives),
    deletedRecords(deps),
    quiet(clusters),
    sourceOf(reports, news),
    trigger,
  ];
}

/** How long a preflight that found nothing wrong counts. */
const preflightMs = 600_000;

/** What is remembered of a store between two looks. */
interface Memory {
  readonly known: Known;
  readonly preflight?: Preflight & { readonly generation: number; readonly at: number };
}

export function storeReconcile(deps: StoreDeps): Reconcile {
  const storeStatus = createStatusWriter(deps.client, objectStores, "holdfast");
  const archiveStatus = createStatusWriter(deps.client, archiveKind, "holdfast");
  const memories = new Map<string, Memory>();

  return async (key, signal, logger) => {
    const id = keyOf(key);
    const store = deps.stores.get(key);
    if (store === undefined || store.metadata.deletionTimestamp !== undefined) {
      memories.delete(id);
      deps.catalogs.delete(id);
      return {};
    }
    const memory = memories.get(id);
    const last = memory?.preflight;
    const generation = store.metadata.generation ?? 1;
    const counts = isReady(store) && last?.generation === generation && performance.now() - last.at < preflightMs;
    const startedAt = performance.now();
    const look = await lookAtStore(store, {
      open: deps.openStore,
      known: memory?.known,
      preflight: counts ? last : undefined,
      signal,
    });
    const { content, preflight } = look;
    const made = preflight?.isNew === true ? { ...preflight, generation, at: performance.now() } : preflight && last;
    memories.set(id, { known: look.known, ...(made && { preflight: made }) });
    // First of all: what stops one Archive from being written must not keep a backup from being judged.
    const problem = content.kind === "usable" ? undefined : { reason: content.reason, message: content.message };
    const read = content.kind === "usable" ? look.known.catalogs : deps.catalogs.get(id)?.catalogs;
    deps.catalogs.set(id, {
      storeUid: store.metadata.uid ?? "",
      startedAt,
      catalogs: read,
      ...(problem && { problem }),
    });

    const now = new Date();
    const namespace = store.metadata.namespace ?? "";
    const inNamespace = ({ metadata }: KubeObject) => metadata.namespace === namespace;
    const archives = deps.archives.list().filter((archive) => inNamespace(archive) && isOf(archive, store));
    const plan = planStore({
      store,
      checks: preflight?.checks ?? [],
      content,
      archives,
      backups: deps.backups.list().filter(inNamespace),
      clusters: livingClusters(deps, key),
      now,
    });
    await writeStore(storeStatus, deps.events, { store, plan, now, signal });
    for (const planned of plan.archives) await writeArchive(deps, archiveStatus, { store, planned, now, signal });
    if (content.kind === "usable") await removeArchives(deps, { archives, plan, logger, signal });
    await makeRecords(deps, plan.records, { store: id, startedAt, logger, signal });
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

const isReady = (store: ObjectStore): boolean =>
  store.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;

const isOf = (archive: Archive, store: ObjectStore): boolean =>
  archive.metadata.ownerReferences?.some((owner) => owner.uid === store.metadata.uid) ?? false;

/** Clusters that archive to the store now, by server name. */
function livingClusters({ clusters, reports }: StoreDeps, key: ObjectKey) {
  const living = new Map<string, readonly LivingCluster[]>();
  for (const object of clusters.list()) {
    if (object.metadata.namespace !== key.namespace) continue;
    const { own } = readPluginConfig(decodeCluster(object));
    if (own?.kind !== "store" || own.store.kind !== "ObjectStore" || own.store.name !== key.name) continue;
    const { name, namespace } = object.metadata;
    const report = reports.get({ name, ...(namespace !== undefined && { namespace }) });
    const others = living.get(own.store.serverName) ?? [];
    living.set(own.store.serverName, [...others, { name, ...(report && { report }) }]);
  }
  return living;
}

interface StoreWrite {
  readonly store: ObjectStore;
  readonly plan: StorePlan;
  readonly now: Date;
  readonly signal: AbortSignal;
}

async function writeStore(
  writer: StatusWriter,
  events: EventRecorder,
  { store, plan, now, signal }: StoreWrite,
): Promise<void> {
  const before = store.status?.conditions?.find(({ type }) => type === "Ready");
  const status = { ...plan.facts, ...statusOf(store, plan.verdicts, now) };
  await writer.write(store, keepMeasurements(store.status, status, "lastCheckedTime", now), signal);
  const ready = plan.verdicts.find(({ type }) => type === "Ready");
  if (ready === undefined || (before?.status === ready.status && before.reason === ready.reason)) return;
  const event = {
    type: ready.status === "True" ? "Normal" : "Warning",
    reason: ready.reason,
    message: ready.message,
  } as const;
  await events.record({ ...store, apiVersion, kind: "ObjectStore" }, event, signal);
}

interface ArchiveWrite {
  readonly store: ObjectStore;
  readonly planned: PlannedArchive;
  readonly now: Date;
  readonly signal: AbortSignal;
}

async function writeArchive(
  deps: StoreDeps,
  writer: StatusWriter,
  { store, planned, now, signal }: ArchiveWrite,
): Promise<void> {
  const namespace = store.metadata.namespace ?? "";
  const owner = {
    apiVersion,
    kind: "ObjectStore",
    name: store.metadata.name,
    uid: store.metadata.uid ?? "",
    controller: true,
  };
  const metadata = { name: planned.name, namespace, labels: planned.labels, ownerReferences: [owner] };
  const existing = deps.archives.get({ namespace, name: planned.name });
  const isSame = existing !== undefined && JSON.stringify(existing.metadata.labels) === JSON.stringify(planned.labels);
  const archive = isSame
    ? existing
    : await deps.client.apply<Archive>(archiveKind, { metadata }, { fieldManager: "holdfast", signal });
  const status = { ...planned.facts, ...statusOf(archive, planned.verdicts, now) };
  await writer.write(archive, keepMeasurements(archive.status, status, "lastSyncTime", now), signal);
}

/** Servers that the store no longer holds. */
async function removeArchives(
  { client }: StoreDeps,
  {
    archives,
    plan,
    logger,
    signal,
  }: { archives: readonly Archive[]; plan: StorePlan; logger: Logger; signal: AbortSignal },
): Promise<void> {
  const wanted = new Set(plan.archives.map(({ name }) => name));
  for (const { metadata } of archives.filter((archive) => !wanted.has(archive.metadata.name))) {
    logger.info({ name: metadata.name, why: "the store no longer holds this server" }, "removing an Archive");
    const { name, namespace, uid } = metadata;
    await client.delete(
      archiveKind,
      { name, ...(namespace !== undefined && { namespace }) },
      { signal, ...(uid !== undefined && { uid }) },
    );
  }
}
