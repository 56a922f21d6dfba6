// Looks at each store in turn, says in its status whether it can be used, keeps an Archive for each server in it, and
// makes records for backups that have none.
import { archives as archiveKind, objectStores } from "#api/kinds.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { KubeClient } from "#kube/client.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, type KubeObject } from "#kube/object.ts";
import { createStatusWriter, type StatusWriter } from "#kube/status-writer.ts";
import { announceReady } from "../announce.ts";
import { livingClusters, reportNews } from "../archive/living.ts";
import { deletedRecords, makeRecords } from "../archive/make-records.ts";
import { keepMeasurements, statusOf } from "../archive/status.ts";
import { archivesOf, removeArchives, writeArchive } from "../archive/write.ts";
import type { Catalogs } from "../catalogs.ts";
import type { Trigger } from "../trigger.ts";
import { lookAtStore, type Known, type OpenStore, type Preflight } from "./observe.ts";
import { planStore, type StorePlan } from "./plan.ts";

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
  const { stores, archives, clusters, lookAtStore: trigger } = deps;
  const quiet = (informer: Informer<KubeObject>) => sourceOf(informer, () => []);
  return [
    sourceOf(stores, ownKey),
    quiet(archives),
    deletedRecords(deps, "ObjectStore"),
    quiet(clusters),
    reportNews(deps, "ObjectStore"),
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
    const storeKey = { ...key, kind: "ObjectStore" } as const;
    const id = keyOf(key);
    const store = deps.stores.get(key);
    if (store === undefined || store.metadata.deletionTimestamp !== undefined) {
      memories.delete(id);
      deps.catalogs.delete(storeKey);
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
    const read = content.kind === "usable" ? look.known.catalogs : deps.catalogs.get(storeKey)?.catalogs;
    deps.catalogs.set(storeKey, {
      storeUid: store.metadata.uid ?? "",
      startedAt,
      catalogs: read,
      ...(problem && { problem }),
    });

    const now = new Date();
    const { namespace } = store.metadata;
    const archives = archivesOf(deps, store);
    const plan = planStore({
      store,
      checks: preflight?.checks ?? [],
      content,
      archives,
      backups: deps.backups.list().filter(({ metadata }) => metadata.namespace === namespace),
      clusters: byServer(livingClusters(deps, storeKey)),
      now,
    });
    await writeStore(storeStatus, deps.events, { store, plan, now, signal });
    const written = { store: { kind: "ObjectStore", object: store }, writer: archiveStatus, now, signal } as const;
    for (const planned of plan.archives) await writeArchive(deps, { ...written, planned });
    if (content.kind === "usable") await removeArchives(deps, { archives, planned: plan.archives, logger, signal });
    await makeRecords(deps, plan.records, { store: storeKey, startedAt, logger, signal });
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

const isReady = (store: ObjectStore): boolean =>
  store.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;

const byServer = (living: ReturnType<typeof livingClusters>) =>
  Map.groupBy(living, ({ store }) => (store.kind === "ObjectStore" ? store.serverName : ""));

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
  const status = { ...plan.facts, ...statusOf(store, plan.verdicts, now) };
  await writer.write(store, keepMeasurements(store.status, status, "lastCheckedTime", now), signal);
  await announceReady(events, { kind: "ObjectStore", object: store, verdicts: plan.verdicts }, signal);
}
