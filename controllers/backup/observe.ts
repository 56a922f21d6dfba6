// Reads what there is to know about one Backup of ours: its CNPG Backup, its Cluster, the sidecars' report, and what the
// store's last catalog says of it. Caches only; a catalog that is too old is asked for anew.
import { describeViolations } from "#api/violations.ts";
import { validate } from "#api/gen/backup.validator.js";
import { labels } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { decodeBackup, type Backup as CnpgBackup } from "#cnpg/backup.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import { isPluginEnabled, readPluginConfig } from "#cnpg/plugin-config.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, type KubeObject, type ObjectKey } from "#kube/object.ts";
import type { Catalogs } from "../catalogs.ts";
import type { Trigger } from "../trigger.ts";
import { backupIdOf, type InStore, type Observed, type Work } from "./plan.ts";
import type { RepositoryFacts } from "./status.ts";

export interface Sources {
  readonly backups: Informer<Backup>;
  readonly cnpgBackups: Informer<KubeObject>;
  readonly clusters: Informer<KubeObject>;
  readonly stores: Informer<ObjectStore>;
  readonly reports: Informer<InstanceReport>;
  readonly catalogs: Catalogs;
  readonly lookAtStore: Trigger;
}

export function observeBackup(key: ObjectKey, sources: Sources): Observed | undefined {
  const backup = sources.backups.get(key);
  if (backup === undefined) return undefined;
  const cnpg = workOf(backup, sources);
  const work = cnpg && describeWork(cnpg);
  const progress = work && progressOf(backup, work.name, sources);
  const invalid = validate(backup.spec) ? undefined : describeViolations("spec", validate.errors);
  return {
    backup,
    ...(invalid !== undefined && { invalid }),
    cluster: clusterState(backup, sources),
    ...(work && { work }),
    inStore: inStore(backup, work, sources),
    ...(progress && { progress }),
  };
}

/** The CNPG Backup that does this one's work: the one it made, or the one it records. */
function workOf(backup: Backup, { cnpgBackups }: Sources): CnpgBackup | undefined {
  const namespace = backup.metadata.namespace ?? "";
  const recorded = backup.metadata.labels?.[labels.cnpgBackup];
  const object =
    recorded !== undefined
      ? cnpgBackups.get({ namespace, name: recorded })
      : cnpgBackups
          .byIndex("request", `${namespace}/${backup.metadata.name}`)
          .find(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === backup.metadata.uid));
  return object && decodeBackup(object);
}

const describeWork = ({ metadata, status }: CnpgBackup): Work => ({
  name: metadata.name,
  phase: status.phase,
  ...(status.phase === "completed" && status.backupId !== undefined && { backupId: status.backupId }),
  ...(status.error !== undefined && { error: status.error }),
  ...(status.instance !== undefined && { instance: status.instance }),
  ...(status.startedAt !== undefined && { startedAt: status.startedAt }),
});

function clusterState(backup: Backup, { clusters }: Sources): Observed["cluster"] {
  const name = backup.spec.cluster?.name;
  const object = name === undefined ? undefined : clusters.get({ namespace: backup.metadata.namespace ?? "", name });
  if (object === undefined) return "missing";
  return isPluginEnabled(decodeCluster(object)) ? "found" : "no-plugin";
}

function progressOf(backup: Backup, work: string, { reports }: Sources): Observed["progress"] {
  const report = reports.get({ namespace: backup.metadata.namespace ?? "", name: backup.spec.cluster?.name ?? "" });
  return Object.values(report?.status?.instances ?? {}).find((entry) => entry.backup?.name === work)?.backup;
}

/** Where the backup is or will be: as recorded, else where its Cluster archives now. */
function placeOf(
  backup: Backup,
  { clusters }: Sources,
): { readonly store: string; readonly serverName: string } | undefined {
  const { repository } = backup.spec;
  if (repository !== undefined) return { store: repository.name, serverName: repository.serverName };
  const { status } = backup;
  if (status?.repository !== undefined && status.serverName !== undefined)
    return { store: status.repository.name, serverName: status.serverName };
  const object = clusters.get({ namespace: backup.metadata.namespace ?? "", name: backup.spec.cluster?.name ?? "" });
  const own = object && readPluginConfig(decodeCluster(object)).own;
  return own?.kind === "store" ? { store: own.store.name, serverName: own.store.serverName } : undefined;
}

function inStore(backup: Backup, work: Work | undefined, sources: Sources): InStore {
  const id = backupIdOf({ backup, ...(work && { work }) });
  const place = placeOf(backup, sources);
  if (id === undefined || place === undefined)
    return { kind: "unknown", reason: "StoreNotFound", message: "it is not known which store the backup is in" };
  const key = { namespace: backup.metadata.namespace ?? "", name: place.store };
  const store = sources.stores.get(key);
  if (store === undefined)
    return { kind: "unknown", reason: "StoreNotFound", message: `ObjectStore ${place.store} does not exist` };
  const reading = sources.catalogs.get(keyOf(key));
  if (reading === undefined || reading.storeUid !== store.metadata.uid)
    return { kind: "unknown", reason: "Progressing", message: `store ${place.store} has not been read yet` };
  const repository = factsOf(store, place.serverName);
  const catalog = reading.catalogs?.get(place.serverName);
  const record = catalog?.backups.find((candidate) => candidate.id === id);
  if (record !== undefined && record.status !== "incomplete" && reading.problem === undefined)
    return { kind: "present", record, repository };
  if (reading.problem !== undefined)
    return {
      kind: "unknown",
      reason: reading.problem.reason,
      message: `store ${place.store} cannot be read: ${reading.problem.message}`,
    };
  const unreadable = catalog?.unreadable.find((entry) => entry.id === id);
  if (unreadable !== undefined)
    return {
      kind: "unknown",
      reason: "MetadataUnreadable",
      message: `its backup.info cannot be read: ${unreadable.error}`,
    };
  if (backup.status?.phase !== "Missing" && backup.spec.cluster !== undefined) sources.lookAtStore.fire(key);
  return { kind: "absent", repository };
}

const factsOf = (store: ObjectStore, serverName: string): RepositoryFacts => ({
  name: store.metadata.name,
  uid: store.metadata.uid ?? "",
  serverName,
  destinationPath: store.spec.configuration.destinationPath,
  ...(store.spec.configuration.endpointURL !== undefined && { endpointURL: store.spec.configuration.endpointURL }),
});
