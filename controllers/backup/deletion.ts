// What becomes of the data when a Backup with deletionPolicy Delete is deleted. Pure. Data goes only when nothing speaks
// against it; what cannot be known speaks against it.
import type { Backup } from "#api/gen/backup.ts";
import { labels } from "#api/names.ts";
import type { Backup as CnpgBackup } from "#cnpg/backup.ts";
import { pluginName } from "#cnpg/plugin-config.ts";
import type { BackupRecord, Catalog } from "#repository/catalog.ts";

export interface DeletionFacts {
  readonly backup: Backup;
  /** The id by which the store knows it, once there is one. */
  readonly id: string | undefined;
  /** Something may have been stored for it. */
  readonly began: boolean;
  readonly namespaceTerminating: boolean;
  /** Its CNPG Backup is not ended, or a sidecar says that it runs. */
  readonly running: boolean;
  readonly store: StoreState;
  /** Ids of the same server and store that another Backup stands for, by the name of that. */
  readonly others: ReadonlyMap<string, string>;
  /** Ids of the same server and store that were looked at and found broken. */
  readonly broken: ReadonlySet<string>;
  /** Ids from which a sidecar restores now. */
  readonly restoring: ReadonlySet<string>;
}

export type StoreState =
  /** Read for this decision. `holds`: keys of the marks that hold each backup. */
  | { readonly kind: "read"; readonly catalog: Catalog; readonly holds: ReadonlyMap<string, readonly string[]> }
  /** Missing, being deleted, another one by now, or unreadable. */
  | { readonly kind: "unusable"; readonly why: string };

export type DeletionPlan =
  | { readonly kind: "wait"; readonly why: string }
  /** The data stays. */
  | { readonly kind: "retain"; readonly why: string }
  /** There is none. */
  | { readonly kind: "nothing"; readonly why: string }
  | { readonly kind: "delete"; readonly records: readonly BackupRecord[]; readonly why: string };

export function planDeletion(facts: DeletionFacts): DeletionPlan {
  if (facts.namespaceTerminating) return { kind: "retain", why: "its namespace is being deleted" };
  if (facts.running) return { kind: "wait", why: "the running backup is being given up" };
  if (!facts.began) return { kind: "nothing", why: "it has not begun" };
  const { store } = facts;
  if (store.kind === "unusable") return { kind: "retain", why: store.why };
  const { catalog, holds } = store;
  const [unreadable] = catalog.unreadable;
  if (unreadable !== undefined)
    return { kind: "retain", why: `the catalog cannot be trusted: backup.info of ${unreadable.id} cannot be read` };
  const records = targetsOf(facts, catalog);
  if (records.length === 0) return { kind: "nothing", why: "the store has no data of it" };
  const [other] = records.flatMap((record) => facts.others.get(record.id) ?? []);
  if (other !== undefined) return { kind: "retain", why: `Backup ${other} stands for it too` };
  const read = records.find(({ id }) => facts.restoring.has(id));
  if (read !== undefined) return { kind: "retain", why: `backup ${read.id} is being restored from` };
  const held = records.flatMap(({ id }) => holds.get(id) ?? []);
  if (held[0] !== undefined) return { kind: "retain", why: `it is held by ${held[0]}` };
  const going = new Set(records.map(({ id }) => id));
  const builders = catalog.backups.filter((other) => !going.has(other.id) && buildsOn(other, going, catalog));
  if (builders.length > 0)
    return { kind: "retain", why: `${someOf(builders.map(({ id }) => id))} cannot be restored without it` };
  const isDone = ({ status }: BackupRecord): boolean => status === "done";
  const stays = ({ id, hasPageErrors }: BackupRecord): boolean =>
    !going.has(id) && !facts.broken.has(id) && hasPageErrors !== true;
  if (records.some(isDone) && !catalog.backups.some((record) => isDone(record) && stays(record)))
    return { kind: "retain", why: `it is the last backup of server ${catalog.server} that counts` };
  const isFull = (record: BackupRecord): boolean => isDone(record) && record.type === "full";
  const lost = records.find((record) => isFull(record) && !catalog.backups.some((other) => replaces(other, record)));
  function replaces(other: BackupRecord, record: BackupRecord): boolean {
    return isFull(other) && stays(other) && other.repository === record.repository;
  }
  if (lost !== undefined)
    return { kind: "retain", why: `it is the last full backup of repository ${lost.repository ?? 1}` };
  return { kind: "delete", records, why: `deletionPolicy of Backup ${facts.backup.metadata.name} is Delete` };
}

/** Whether the backup, or one that it builds on, builds on one of those that go. */
function buildsOn(record: BackupRecord, going: ReadonlySet<string>, catalog: Catalog): boolean {
  const byId = new Map(catalog.backups.map((other) => [other.id, other]));
  if (record.references?.some((id) => going.has(id)) === true) return true;
  let at: BackupRecord | undefined = record;
  for (let steps = 0; at?.prior !== undefined && steps <= catalog.backups.length; steps++) {
    if (going.has(at.prior)) return true;
    at = byId.get(at.prior);
  }
  return false;
}

const someOf = (ids: readonly string[]): string =>
  ids.length <= 3 ? ids.join(", ") : `${ids.slice(0, 3).join(", ")} and ${ids.length - 3} more`;

/**
 * Whether CNPG's object is of exactly this backup: the same id, of the same database system and the same Cluster. A replica
 * cluster has the system identifier of its source, and its backup may have begun in the same second.
 */
export function isWorkOf(
  { spec, status }: CnpgBackup,
  record: Pick<BackupRecord, "id" | "systemId">,
  backup: Backup,
): boolean {
  if (spec.plugin?.name !== pluginName || status.backupId !== record.id) return false;
  if (record.systemId === undefined || status.pluginMetadata["systemID"] !== record.systemId) return false;
  const cluster = backup.spec.cluster?.name ?? backup.metadata.labels?.[labels.cluster];
  return cluster === undefined || cluster === spec.cluster;
}

/** Clocks of the database and of the API server may differ by this much. */
const clockSkewMs = 300_000;

/**
 * The backup itself, and what its failed attempts left behind: they bear its name and no other Backup stands for them.
 */
export function targetsOf(
  { backup, id, others }: Pick<DeletionFacts, "backup" | "id" | "others">,
  catalog: Catalog,
): readonly BackupRecord[] {
  const createdMs = Date.parse(backup.metadata.creationTimestamp ?? "");
  const isLeftBehind = (record: BackupRecord): boolean =>
    backup.spec.cluster !== undefined &&
    record.status === "failed" &&
    record.name === backup.metadata.name &&
    !others.has(record.id) &&
    record.beginTime !== undefined &&
    record.beginTime.getTime() >= createdMs - clockSkewMs;
  return catalog.backups.filter((record) => record.id === id || isLeftBehind(record));
}
