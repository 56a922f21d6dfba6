// Makes the CNPG Backup of a request. Idempotent: the name is fixed by ours, and one that we made before is recognised.
import { labels, shortHash } from "#api/names.ts";
import { apiVersion } from "#api/kinds.ts";
import type { Backup } from "#api/gen/backup.ts";
import { pluginName } from "#cnpg/plugin-config.ts";
import { backups as cnpgBackups } from "#cnpg/resources.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import type { KubeObject } from "#kube/object.ts";

interface CnpgBackupObject extends KubeObject {
  readonly spec: object;
}

/** The CNPG Backup that a request asks for. Pure. */
export function workFor(backup: Backup, name: string): CnpgBackupObject {
  const cluster = backup.spec.cluster?.name ?? "";
  const { name: own, namespace, uid } = backup.metadata;
  return {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Backup",
    metadata: {
      name,
      namespace: namespace ?? "",
      labels: { [labels.cluster]: cluster, [labels.backup]: own },
      ownerReferences: [{ apiVersion, kind: "Backup", name: own, uid: uid ?? "", controller: true }],
    },
    spec: {
      cluster: { name: cluster },
      method: "plugin",
      pluginConfiguration: { name: pluginName },
      ...(backup.spec.target !== undefined && { target: backup.spec.target }),
    },
  };
}

export async function createWork(client: KubeClient, backup: Backup, signal: AbortSignal): Promise<void> {
  const { name, uid } = backup.metadata;
  for (const candidate of [name, `${name.slice(0, 57)}-${shortHash(uid ?? "")}`]) {
    try {
      await client.create(cnpgBackups, workFor(backup, candidate), { signal });
      return;
    } catch (error) {
      if (!isKubeError(error, "AlreadyExists")) throw error;
      const key = { namespace: backup.metadata.namespace ?? "", name: candidate };
      const existing = await client.get<KubeObject>(cnpgBackups, key, { signal });
      if (existing?.metadata.ownerReferences?.some((owner) => owner.uid === uid)) return;
    }
  }
}
