// Looks at each store in turn, says in its status whether it can be used, keeps an Archive for each server in it, and
// makes records for backups that have none.
import { isDeepStrictEqual } from "node:util";
import { apiVersion, archives as archiveKind, objectStores } from "#api/kinds.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import { readPluginConfig } from "#cnpg/plugin-config.ts";
import type { KubeClient } from "#kube/client.ts";
import { setConditions } from "#kube/conditions.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, type Condition, type KubeObject, type ObjectKey } from "#kube/object.ts";
import { createStatusWriter, type StatusWriter } from "#kube/status-writer.ts";
import type { Logger } from "#observe/logger.ts";
import type { Catalogs } from "../catalogs.ts";
import type { Trigger } from "../trigger.ts";
import { lookAtStore, type Known, type OpenStore } from "./observe.ts";
import {
  isContradicted,
  planStore,
  type LivingCluster,
  type PlannedArchive,
  type StorePlan,
  type Verdict,
} from "./plan.ts";
import { deletedRecords, makeRecords } from "./records.ts";

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

/** Whether it can be written is tried when it was not Ready, when the spec is new, and this often. */
const writeTrialMs = 600_000;
/** A look that changed nothing but its time is told this often. */
const timesRefreshMs = 600_000;

export function storeReconcile(deps: StoreDeps): Reconcile {
  const storeStatus = createStatusWriter(deps.client, objectStores, "holdfast");
  const archiveStatus = createStatusWriter(deps.client, archiveKind, "holdfast");
  const known = new Map<string, Known>();
  const triedAt = new Map<string, { readonly generation: number; readonly at: number }>();

  return async (key, signal, logger) => {
    const id = keyOf(key);
    const store = deps.stores.get(key);
    if (store === undefined || store.metadata.deletionTimestamp !== undefined) {
      known.delete(id);
      triedAt.delete(id);
      deps.catalogs.delete(id);
      return {};
    }
    const tried = triedAt.get(id);
    const generation = store.metadata.generation ?? 1;
    const wasReady =
      store.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
    const tryWriting = !wasReady || tried?.generation !== generation || performance.now() - tried.at > writeTrialMs;
    const startedAt = performance.now();
    const look = await lookAtStore(store, { open: deps.openStore, known: known.get(id), tryWriting, signal });
    if (look.check.kind === "usable" && tryWriting) triedAt.set(id, { generation, at: performance.now() });
    known.set(id, look.known);
    // First of all: what stops one Archive from being written must not keep a backup from being judged.
    const problem =
      look.check.kind === "usable" ? undefined : { reason: look.check.reason, message: look.check.message };
    const read = look.check.kind === "usable" ? look.known.catalogs : deps.catalogs.get(id)?.catalogs;
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
      check: look.check,
      archives,
      backups: deps.backups.list().filter(inNamespace),
      clusters: livingClusters(deps, key),
      now,
    });
    await writeStore(storeStatus, deps.events, { store, plan, now, signal });
    for (const planned of plan.archives) await writeArchive(deps, archiveStatus, { store, planned, now, signal });
    if (look.check.kind === "usable") await removeArchives(deps, { archives, plan, logger, signal });
    await makeRecords(deps, plan.records, { store: id, startedAt, logger, signal });
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

const isOf = (archive: Archive, store: ObjectStore): boolean =>
  archive.metadata.ownerReferences?.some((owner) => owner.uid === store.metadata.uid) ?? false;

/** Clusters that archive to the store now, by server name. */
function livingClusters({ clusters, reports }: StoreDeps, key: ObjectKey) {
  const living = new Map<string, readonly LivingCluster[]>();
  for (const object of clusters.list()) {
    if (object.metadata.namespace !== key.namespace) continue;
    const { own } = readPluginConfig(decodeCluster(object));
    if (own?.kind !== "store" || own.store.name !== key.name) continue;
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
  const status = { ...plan.facts, ...judged(store, plan.verdicts, now) };
  await writer.write(store, keepTime(store.status, status, "lastCheckedTime", now), signal);
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
  const status = { ...planned.facts, ...judged(archive, planned.verdicts, now) };
  await writer.write(archive, keepTime(archive.status, status, "lastSyncTime", now), signal);
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

function judged(
  object: KubeObject & { readonly status?: { conditions?: readonly unknown[] } },
  verdicts: readonly Verdict[],
  now: Date,
) {
  const observedGeneration = object.metadata.generation ?? 1;
  const stated = verdicts.map((verdict) => ({ ...verdict, observedGeneration }));
  const previous = (object.status?.conditions ?? []) as readonly Condition[];
  return { observedGeneration, conditions: setConditions(previous, stated, `${now.toISOString().slice(0, 19)}Z`) };
}

/** Leaves the shown time of the last look as it is while nothing else changed, so that idle stores cost no writes. */
function keepTime<T extends object>(shown: object | undefined, next: T, field: keyof T & string, now: Date): T {
  const before = shown?.[field as never] as string | undefined;
  if (before === undefined || now.getTime() - Date.parse(before) > timesRefreshMs) return next;
  const kept = { ...next, [field]: before };
  return isDeepStrictEqual(JSON.parse(JSON.stringify(kept)), shown) ? kept : next;
}
