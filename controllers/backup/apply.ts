// What a plan does to a Backup's CNPG Backups and finalizer. Idempotent: names are fixed by ours, and a CNPG Backup that
// we made before is recognised.
import { labels, shortHash } from "#api/names.ts";
import { apiVersion, backups as backupKind } from "#api/kinds.ts";
import type { Backup } from "#api/gen/backup.ts";
import { decodeBackup, isFinished } from "#cnpg/backup.ts";
import { pluginName } from "#cnpg/plugin-config.ts";
import { backups as cnpgBackups } from "#cnpg/resources.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import { keyOfObject, type KubeObject } from "#kube/object.ts";
import type { StoreKind } from "../store-key.ts";
import { finalizer } from "./plan.ts";

interface CnpgBackupObject extends KubeObject {
  readonly spec: object;
}

/** The CNPG Backup that a request asks for. Pure. Of a Stanza only the primary can be read. */
export function workFor(backup: Backup, name: string, storeKind?: StoreKind): CnpgBackupObject {
  const cluster = backup.spec.cluster?.name ?? "";
  const { name: own, namespace, uid } = backup.metadata;
  const target = storeKind === "Stanza" ? "primary" : backup.spec.target;
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
      pluginConfiguration: { name: pluginName, ...(storeKind === "Stanza" && parametersOf(backup)) },
      ...(target !== undefined && { target }),
    },
  };
}

/** Without a type the sidecar chooses one. */
function parametersOf({ spec: { type, selectedRepository } }: Backup) {
  if (type === undefined && selectedRepository === undefined) return {};
  return {
    parameters: {
      ...(type !== undefined && { type }),
      ...(selectedRepository !== undefined && { selectedRepository: String(selectedRepository) }),
    },
  };
}

/** The first attempt bears the name of the request; another, or a first whose name is taken, has five digits after it. */
function namesFor({ metadata }: Backup, attempt: number): readonly string[] {
  const { name, uid = "" } = metadata;
  const numbered = (text: string): string => `${name.slice(0, 57)}-${shortHash(text)}`;
  return attempt === 1 ? [name, numbered(uid)] : [numbered(`${uid}/${attempt}`), numbered(`${uid}/${attempt}/again`)];
}

export async function createWork(
  client: KubeClient,
  backup: Backup,
  { attempt, storeKind }: { readonly attempt: number; readonly storeKind: StoreKind | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { uid, namespace = "" } = backup.metadata;
  const names = namesFor(backup, attempt);
  for (const name of names) {
    try {
      await client.create(cnpgBackups, workFor(backup, name, storeKind), { signal });
      return;
    } catch (error) {
      if (!isKubeError(error, "AlreadyExists")) throw error;
      const existing = await client.get<KubeObject>(cnpgBackups, { namespace, name }, { signal });
      if (existing?.metadata.ownerReferences?.some((owner) => owner.uid === uid)) return;
    }
  }
  throw new Error(`the names ${names.join(" and ")} are taken by others`);
}

/** What CNPG has ended meanwhile stays, and is judged by the store: the cache may be behind by the very moment. */
export async function cancelWork(
  client: KubeClient,
  backup: Backup,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const name of names) {
    const key = { namespace: backup.metadata.namespace ?? "", name };
    const work = await client.get<KubeObject>(cnpgBackups, key, { signal });
    if (work === undefined || isFinished(decodeBackup(work))) continue;
    const { resourceVersion } = work.metadata;
    await client.delete(cnpgBackups, key, { signal, ...(resourceVersion !== undefined && { resourceVersion }) });
  }
}

/** Applied under a manager of its own: other finalizers are not touched. */
export async function addFinalizer(client: KubeClient, { metadata }: Backup, signal: AbortSignal): Promise<void> {
  const { name, namespace = "" } = metadata;
  const held: KubeObject = { metadata: { name, namespace, finalizers: [finalizer] } };
  await client.apply(backupKind, held, { fieldManager: "holdfast-deletion", signal });
}

export async function removeFinalizer(client: KubeClient, backup: Backup, signal: AbortSignal): Promise<void> {
  const index = backup.metadata.finalizers?.indexOf(finalizer) ?? -1;
  if (index < 0) return;
  const path = `/metadata/finalizers/${index}`;
  const patch = [
    { op: "test", path, value: finalizer },
    { op: "remove", path },
  ];
  try {
    await client.patch(backupKind, keyOfObject(backup), patch, { type: "json", signal });
  } catch (error) {
    if (!isKubeError(error, "NotFound")) throw error;
  }
}
