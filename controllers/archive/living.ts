// Which Clusters archive to a store now, and when what one of them reports is news for its Archive.
import type { Archive } from "#api/gen/archive.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import { readPluginConfig, type StoreReference } from "#cnpg/plugin-config.ts";
import { sourceOf, type Source } from "#kube/controller.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOfObject, type KubeObject, type ObjectKey } from "#kube/object.ts";
import type { StoreKey, StoreKind } from "../store-key.ts";
import { isContradicted } from "./conditions.ts";
import type { LivingCluster } from "./plan.ts";

export interface LivingSources {
  readonly clusters: Informer<KubeObject>;
  readonly reports: Informer<InstanceReport>;
  readonly archives: Informer<Archive>;
}

/** In the order of the cache; `store` says under which name each archives there. */
export function livingClusters(
  { clusters, reports }: Pick<LivingSources, "clusters" | "reports">,
  { kind, namespace, name }: StoreKey,
): readonly (LivingCluster & { readonly store: StoreReference })[] {
  return clusters.list().flatMap((object) => {
    if (object.metadata.namespace !== namespace) return [];
    const { own } = readPluginConfig(decodeCluster(object));
    if (own?.kind !== "store" || own.store.kind !== kind || own.store.name !== name) return [];
    const report = reports.get(keyOfObject(object));
    return [{ name: object.metadata.name, store: own.store, ...(report && { report }) }];
  });
}

/** The stores of one kind that a report of their Cluster contradicts. */
export function reportNews({ reports, archives }: LivingSources, kind: StoreKind): Source {
  const news = (report: InstanceReport): ObjectKey[] =>
    archives.list().flatMap((archive) => {
      const { repository } = archive.status ?? {};
      if (repository?.kind !== kind || !isContradicted(archive, report, new Date())) return [];
      return [{ namespace: report.metadata.namespace ?? "", name: repository.name }];
    });
  return sourceOf(reports, news);
}
