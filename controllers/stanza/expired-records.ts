// When retention has removed a backup, its record goes, and with it the CNPG Backup of exactly that backup: neither could be
// restored from any more.
import { backups as backupKind } from "#api/kinds.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import { decodeBackup } from "#cnpg/backup.ts";
import { backups as cnpgBackups } from "#cnpg/resources.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOfObject, type KubeObject } from "#kube/object.ts";
import type { Logger } from "#observe/logger.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { idOf } from "../archive/plan-records.ts";
import { isWorkOf } from "../backup/deletion.ts";
import type { Catalogs } from "../catalogs.ts";
import { standsIn } from "./standing.ts";

export interface ExpiredDeps {
  readonly client: KubeClient;
  readonly backups: Informer<Backup>;
  readonly cnpgBackups: Informer<KubeObject>;
  readonly catalogs: Catalogs;
}

/** As the catalog had it before it was removed; its record knows the database system, too. */
export type ExpiredBackup = Pick<BackupRecord, "id" | "systemId">;

export interface ExpiredBackups {
  readonly stanza: Stanza;
  readonly records: readonly ExpiredBackup[];
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export async function removeExpiredRecords(deps: ExpiredDeps, expired: ExpiredBackups): Promise<void> {
  const { stanza, records, logger, signal } = expired;
  const { name, namespace } = stanza.metadata;
  const key = { kind: "Stanza", name, ...(namespace !== undefined && { namespace }) } as const;
  for (const record of records) {
    // A look that is under way may still list it.
    deps.catalogs.noteDeleted(key, stanza.spec.stanzaConfiguration.name, record.id);
    for (const backup of deps.backups.list()) {
      if (!isRecordOf(backup, stanza, record)) continue;
      await removeWork(deps, { backup, record }, signal);
      const { uid } = backup.metadata;
      logger.info({ backup: backup.metadata.name, id: record.id, why: "retention removed it" }, "removing a record");
      await ifThere(deps.client.delete(backupKind, keyOfObject(backup), { signal, ...(uid !== undefined && { uid }) }));
    }
  }
}

function isRecordOf(backup: Backup, stanza: Stanza, record: ExpiredBackup): boolean {
  if (backup.metadata.deletionTimestamp !== undefined) return false;
  return standsIn(backup, stanza) && idOf(backup) === record.id;
}

async function removeWork(
  deps: ExpiredDeps,
  { backup, record }: { readonly backup: Backup; readonly record: ExpiredBackup },
  signal: AbortSignal,
): Promise<void> {
  const systemId = record.systemId ?? backup.status?.systemID;
  const known = { id: record.id, ...(systemId !== undefined && { systemId }) };
  for (const object of deps.cnpgBackups.list()) {
    if (object.metadata.namespace !== backup.metadata.namespace) continue;
    const work = decodeBackup(object);
    if (!isWorkOf(work, known, backup)) continue;
    const { name, namespace, uid } = work.metadata;
    await ifThere(deps.client.delete(cnpgBackups, { namespace, name }, { signal, ...(uid !== undefined && { uid }) }));
  }
}

/** Another one under its name is not ours to remove. */
async function ifThere(deletion: Promise<boolean>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!isKubeError(error, "Conflict")) throw error;
  }
}
