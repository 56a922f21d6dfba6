// Records for backups in a store that have none, under which names. Pure.
import { isObjectName, labels, objectName, shortHash } from "#api/names.ts";
import { apiVersion } from "#api/kinds.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { livingOf, storeLabel, type LivingCluster, type ObservedServer, type Store } from "./plan.ts";

export interface PlannedRecord {
  readonly object: Backup;
  readonly why: string;
}

export interface RecordsInput {
  readonly store: Store;
  readonly server: ObservedServer;
  readonly clusters: readonly LivingCluster[];
  /** All Backups of the namespace. */
  readonly backups: readonly Backup[];
}

/** Records for those backups of a server that no Backup stands for. */
export function planRecords(input: RecordsInput): PlannedRecord[] {
  const { store, server, backups } = input;
  const { kind, object: storeObject } = store;
  const { uid } = storeObject.metadata;
  const standing = backups.filter((backup) => isOf(backup, store, server.server));
  const known = new Set(standing.flatMap((backup) => idOf(backup) ?? []));
  const taken = new Set(backups.map((backup) => backup.metadata.name));
  const namesOf = ({ metadata }: Backup) => [metadata.name, metadata.labels?.[labels.cnpgBackup] ?? metadata.name];
  // A request whose id is not in its status yet is known by the name that it gave to the backup.
  const pending = new Set(
    standing
      .filter((backup) => backup.spec.cluster !== undefined && idOf(backup) === undefined)
      .filter(({ status }) => status?.phase !== "Failed")
      .flatMap(namesOf),
  );
  // Whoever bears the name stands for its failed attempts too.
  const bearers = new Set(standing.flatMap(namesOf));
  const isCovered = ({ id, name = "", status }: BackupRecord): boolean =>
    known.has(id) || pending.has(name) || (status === "failed" && bearers.has(name));
  const living = livingOf(input)?.name ?? server.owner?.cluster.name;
  // Of an attempt and its retry under one name, the one that counts keeps it.
  const ordered = ["done", "failed"].flatMap((status) =>
    server.catalog.backups.filter((record) => record.status === status),
  );
  return ordered.flatMap((record) => {
    if (isCovered(record)) return [];
    if (record.name !== undefined) bearers.add(record.name);
    const wanted =
      record.name !== undefined && isObjectName(record.name)
        ? record.name
        : `${objectName(server.server)}-${objectName(record.id.toLowerCase())}`;
    const name = taken.has(wanted)
      ? `${wanted.slice(0, 57)}-${shortHash(`${uid}/${server.server}/${record.id}`)}`
      : wanted;
    taken.add(name);
    const object: Backup = {
      apiVersion,
      kind: "Backup",
      metadata: {
        name,
        namespace: storeObject.metadata.namespace ?? "",
        labels: {
          ...storeLabel(store),
          ...(living !== undefined && isObjectName(living) && { [labels.cluster]: living }),
        },
      },
      spec: {
        repository: { kind, name: storeObject.metadata.name, serverName: server.server },
        backupId: record.id,
      },
    };
    return [{ object, why: `backup ${record.id} of server ${server.server} has no record` }];
  });
}

export const idOf = (backup: Backup): string | undefined => backup.spec.backupId ?? backup.status?.backupId;

/** Whether a Backup stands for something in this store under this server name. */
function isOf(backup: Backup, { kind, object: { metadata } }: Store, server: string): boolean {
  const { spec, status } = backup;
  if (spec.repository !== undefined)
    return (
      spec.repository.kind === kind && spec.repository.name === metadata.name && spec.repository.serverName === server
    );
  // A request that has its id but not its place yet must not get a second record meanwhile. By name, as a Backup looks
  // for its store: in one that was made again under its name, it stands for what it finds there.
  return (
    status?.repository === undefined ||
    (status.repository.kind === kind && status.repository.name === metadata.name && status.serverName === server)
  );
}
