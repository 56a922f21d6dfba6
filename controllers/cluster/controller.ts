// For each Cluster that uses the plugin: its sidecars' access follows its stores, and their reports are answered.
import { isDeepStrictEqual } from "node:util";
import { instanceReports } from "#api/kinds.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { decodeBackup } from "#cnpg/backup.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import { isPluginEnabled, readPluginConfig } from "#cnpg/plugin-config.ts";
import { backups as cnpgBackups } from "#cnpg/resources.ts";
import type { KubeClient } from "#kube/client.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { EventRecorder } from "#kube/events.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOfObject, type KubeObject } from "#kube/object.ts";
import { runningBackups } from "../instance-report.ts";
import type { StoreCaches } from "../repositories.ts";
import type { StoreKind } from "../store-key.ts";
import type { AccessKeeper } from "./access-keeper.ts";
import { planAnnouncements, planWishes } from "./plan.ts";

export interface ClusterDeps extends StoreCaches {
  readonly client: KubeClient;
  readonly clusters: Informer<KubeObject>;
  readonly reports: Informer<InstanceReport>;
  readonly cnpgBackups: Informer<KubeObject>;
  readonly access: AccessKeeper;
  readonly events: EventRecorder;
}

export function clusterSources({ clusters, stores, stanzas, reports, cnpgBackups: works }: ClusterDeps): Source[] {
  const usersOf = (kind: StoreKind) => (store: KubeObject) =>
    clusters
      .list()
      .filter(({ metadata }) => metadata.namespace === store.metadata.namespace)
      .filter((object) =>
        readPluginConfig(decodeCluster(object)).stores.some(
          (referred) => referred.kind === kind && referred.name === store.metadata.name,
        ),
      )
      .map(keyOfObject);
  const clusterOf = (work: KubeObject) => {
    const { cluster } = decodeBackup(work).spec;
    return cluster === "" ? [] : [{ name: cluster, namespace: work.metadata.namespace ?? "" }];
  };
  return [
    sourceOf(clusters, ownKey),
    sourceOf(stores, usersOf("ObjectStore")),
    sourceOf(stanzas, usersOf("Stanza")),
    sourceOf(reports, ownKey),
    sourceOf(works, clusterOf),
  ];
}

export function clusterReconcile(deps: ClusterDeps): Reconcile {
  return async (key, signal, logger) => {
    const object = deps.clusters.get(key);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return {};
    const cluster = decodeCluster(object);
    if (!isPluginEnabled(cluster) && readPluginConfig(cluster).stores.length === 0) return {};
    await deps.access.ensure(cluster, signal);
    const report = deps.reports.get(key);
    if (report === undefined) return {};
    for (const announcement of planAnnouncements(report)) await deps.events.record(object, announcement, signal);
    const wishes = planWishes(report, await findDeleted(deps, report, signal));
    if (isDeepStrictEqual(wishes, report.spec ?? {})) return {};
    // Not by apply: taking the last field away makes spec null there, which the API server refuses (tried with 1.34).
    const { switchWalAfter = null, cancelBackup = null } = wishes;
    const options = { type: "merge", fieldManager: "holdfast-wishes", signal } as const;
    await deps.client.patch(instanceReports, key, { spec: { switchWalAfter, cancelBackup } }, options);
    logger.info({ wishes }, "the sidecars are asked");
    return {};
  };
}

/** A running backup without its CNPG Backup. The cache may be behind the report, so a miss is asked for again. */
async function findDeleted(
  deps: ClusterDeps,
  report: InstanceReport,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { namespace = "" } = report.metadata;
  for (const name of runningBackups(report, new Date())) {
    if (deps.cnpgBackups.get({ namespace, name }) !== undefined) continue;
    if ((await deps.client.get(cnpgBackups, { namespace, name }, { signal })) === undefined) return name;
  }
  return undefined;
}
