// The local copies of API objects that the operator works from. Every replica needs what injection depends on; the rest
// only the leader.
import { archives, backups, backupSchedules, instanceReports, objectStores, stanzas } from "#api/kinds.ts";
import { labels } from "#api/names.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import { decodeBackup } from "#cnpg/backup.ts";
import * as cnpg from "#cnpg/resources.ts";
import { sidecarConfigName, type ConfigMap } from "#cnpg/sidecar-config.ts";
import { configMaps, deployments } from "#controllers/installation/controller.ts";
import type { Deployment } from "#controllers/installation/plan.ts";
import {
  mutatingConfigurations,
  webhookConfigurationName,
  webhookConfigurations,
  type WebhookConfiguration,
} from "#controllers/installation/trust.ts";
import type { KubeClient } from "#kube/client.ts";
import { createInformer } from "#kube/informer.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import type { Logger } from "#observe/logger.ts";
import { clusterIndexes, stanzaIndexes, storeIndexes } from "#webhooks/facts.ts";

const namespaces: Resource = { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false };

const nameAndDeletion = ({ metadata }: KubeObject): KubeObject => {
  const { name, uid, resourceVersion, deletionTimestamp } = metadata;
  return {
    metadata: {
      name,
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
  };
};

export function createReplicaCaches(client: KubeClient, namespace: string, logger: Logger) {
  const named = <T extends KubeObject>(resource: Resource, name: string) =>
    createInformer<T>({ client, logger, resource, namespace, fieldSelector: `metadata.name=${name}` });
  return {
    stores: createInformer<ObjectStore>({ client, logger, resource: objectStores, indexes: storeIndexes }),
    stanzas: createInformer<Stanza>({ client, logger, resource: stanzas, indexes: stanzaIndexes }),
    clusters: createInformer<KubeObject>({ client, logger, resource: cnpg.clusters, indexes: clusterIndexes }),
    namespaces: createInformer<KubeObject>({ client, logger, resource: namespaces, slim: nameAndDeletion }),
    sidecarConfig: named<ConfigMap>(configMaps, sidecarConfigName),
    deployment: named<Deployment>(deployments, "holdfast"),
  };
}

export function createLeaderCaches(client: KubeClient, logger: Logger) {
  const inNamespace = (object: KubeObject, name: string | undefined): string[] =>
    name === undefined ? [] : [`${object.metadata.namespace}/${name}`];
  const configuration = (resource: Resource) =>
    createInformer<WebhookConfiguration>({
      client,
      logger,
      resource,
      fieldSelector: `metadata.name=${webhookConfigurationName}`,
    });
  return {
    webhookConfiguration: configuration(webhookConfigurations),
    mutatingConfiguration: configuration(mutatingConfigurations),
    archives: createInformer<Archive>({ client, logger, resource: archives }),
    reports: createInformer<InstanceReport>({ client, logger, resource: instanceReports }),
    backups: createInformer<Backup>({
      client,
      logger,
      resource: backups,
      indexes: {
        cluster: (backup) => inNamespace(backup, backup.spec.cluster?.name),
        cnpgBackup: (backup) => inNamespace(backup, backup.metadata.labels?.[labels.cnpgBackup]),
        schedule: (backup) => inNamespace(backup, backup.metadata.labels?.[labels.schedule]),
      },
    }),
    schedules: createInformer<BackupSchedule>({
      client,
      logger,
      resource: backupSchedules,
      indexes: { cluster: (schedule) => inNamespace(schedule, schedule.spec.cluster?.name) },
    }),
    cnpgBackups: createInformer<KubeObject>({
      client,
      logger,
      resource: cnpg.backups,
      indexes: {
        request: (object) => inNamespace(object, object.metadata.labels?.[labels.backup]),
        cluster: (object) => inNamespace(object, decodeBackup(object).spec.cluster),
      },
    }),
  };
}
