// Gives a CNPG Backup that someone else made with our plugin its record: `kubectl cnpg backup`, CNPG's ScheduledBackup.
import { apiVersion, backups as backupKind } from "#api/kinds.ts";
import { isObjectName, labels, shortHash } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import { decodeBackup, type Backup as CnpgBackup } from "#cnpg/backup.ts";
import { pluginName } from "#cnpg/plugin-config.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Reconcile } from "#kube/controller.ts";
import { isKubeError } from "#kube/errors.ts";
import type { Informer } from "#kube/informer.ts";
import type { KubeObject } from "#kube/object.ts";
import { idOf } from "../archive/plan-records.ts";

export interface MirrorDeps {
  readonly client: KubeClient;
  readonly backups: Informer<Backup>;
  readonly cnpgBackups: Informer<KubeObject>;
}

export function mirrorReconcile(deps: MirrorDeps): Reconcile {
  return async (key, signal) => {
    const object = deps.cnpgBackups.get(key);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return {};
    if (object.metadata.labels?.[labels.backup] !== undefined) return {};
    const cnpg = decodeBackup(object);
    if (cnpg.spec.method !== "plugin" || cnpg.spec.plugin?.name !== pluginName) return {};
    const { namespace, name, uid = "" } = cnpg.metadata;
    // It cannot be a label then. What it leaves in the store gets a record from there.
    if (name.length > 63) return {};
    if (deps.backups.byIndex("cnpgBackup", `${namespace}/${name}`).length > 0) return {};
    if (deps.backups.list().some((backup) => standsFor(backup, cnpg))) return {};
    for (const candidate of [name, `${name.slice(0, 57)}-${shortHash(uid)}`]) {
      try {
        await deps.client.create(backupKind, recordOf(cnpg, candidate), { signal });
        return {};
      } catch (error) {
        if (!isKubeError(error, "AlreadyExists")) throw error;
        // The cache may not show yet what the call before this one made.
        const existing = await deps.client.get<Backup>(backupKind, { namespace, name: candidate }, { signal });
        if (existing?.metadata.labels?.[labels.cnpgBackup] === name) return {};
        if (existing !== undefined && standsFor(existing, cnpg)) return {};
      }
    }
    return {};
  };
}

/** Whether the backup that CNPG's object tells of has a record already, which the store's catalog brought. */
const standsFor = ({ metadata, spec, status }: Backup, cnpg: CnpgBackup): boolean =>
  metadata.namespace === cnpg.metadata.namespace &&
  cnpg.status.backupId !== undefined &&
  idOf({ metadata, spec, ...(status && { status }) }) === cnpg.status.backupId &&
  (status?.systemID === cnpg.status.pluginMetadata["systemID"] ||
    metadata.labels?.[labels.cluster] === cnpg.spec.cluster);

const recordOf = ({ metadata, spec }: CnpgBackup, name: string): Backup => ({
  apiVersion,
  kind: "Backup",
  metadata: {
    name,
    namespace: metadata.namespace,
    labels: {
      [labels.cnpgBackup]: metadata.name,
      ...(isObjectName(spec.cluster) && { [labels.cluster]: spec.cluster }),
    },
  },
  spec: { cluster: { name: spec.cluster } },
});
