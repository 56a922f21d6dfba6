// What one look at a store means: the ObjectStore's status, an Archive for each server in it, and a record for each
// backup that has none. Pure. A store that could not be read changes no fact that was read before: those stand with
// CatalogSynced Unknown beside them.
import { isObjectName, labels, objectName, shortHash } from "#api/names.ts";
import { apiVersion } from "#api/kinds.ts";
import type { Reason } from "#api/conditions.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { BackupRecord, Catalog } from "#repository/catalog.ts";

export interface ObservedServer {
  readonly server: string;
  readonly catalog: Catalog;
  readonly newestWal?: { readonly name: string; readonly time: Date };
  /** The cluster that owner.json names. */
  readonly owner?: {
    readonly systemID: string;
    readonly cluster: { readonly namespace: string; readonly name: string };
  };
  /** First recoverable moment and the newest that the archive reaches. */
  readonly window?: { readonly from: Date; readonly to?: Date };
}

/** Whether the store could be used: proven, broken, or not to be known now. */
export type StoreCheck =
  | { readonly kind: "usable"; readonly servers: readonly ObservedServer[]; readonly conditionalPut: boolean }
  | { readonly kind: "refused" | "unknown"; readonly reason: Reason; readonly message: string };

export interface LivingCluster {
  readonly name: string;
  readonly report?: InstanceReport;
}

export interface ObservedStore {
  readonly store: ObjectStore;
  readonly check: StoreCheck;
  readonly archives: readonly Archive[];
  /** All Backups of the namespace. */
  readonly backups: readonly Backup[];
  /** Living Clusters of the namespace that are told to archive to this store, by server name. */
  readonly clusters: ReadonlyMap<string, readonly LivingCluster[]>;
  readonly now: Date;
}

export interface Verdict {
  readonly type: "Ready" | "CatalogSynced" | "Archiving";
  readonly status: "True" | "False" | "Unknown";
  readonly reason: Reason;
  readonly message: string;
}

export interface PlannedArchive {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: Omit<NonNullable<Archive["status"]>, "conditions" | "observedGeneration">;
  readonly verdicts: readonly Verdict[];
}

export interface PlannedRecord {
  readonly object: Backup;
  readonly why: string;
}

export interface StorePlan {
  readonly facts: Omit<NonNullable<ObjectStore["status"]>, "conditions" | "observedGeneration">;
  readonly verdicts: readonly Verdict[];
  readonly archives: readonly PlannedArchive[];
  readonly records: readonly PlannedRecord[];
  readonly requeueAfterMs: number;
}

const serversMax = 100;
/** A report older than this says nothing about now; sidecars give a sign of life every minute. */
const reportAgeMaxMs = 120_000;

export function planStore(observed: ObservedStore): StorePlan {
  const { check, store, now } = observed;
  if (check.kind !== "usable") return withoutReading(observed, check);
  const servers = check.servers.slice(0, serversMax);
  return {
    facts: {
      lastCheckedTime: seconds(now),
      serverCount: check.servers.length,
      conditionalPut: check.conditionalPut,
      servers: servers.map(summarise),
      serverRecoveryWindow: Object.fromEntries(servers.map((server) => [server.server, recoveryWindow(server)])),
    },
    verdicts: [{ type: "Ready", status: "True", reason: "Succeeded", message: "the store can be read and written" }],
    archives: check.servers.map((server) => planArchive(observed, server)),
    records: check.servers.flatMap((server) => planRecords(observed, server)),
    requeueAfterMs: Math.min(requeueReadyMs(store), ...servers.map((server) => msUntilReportIsOld(observed, server))),
  };
}

/** A minute, spread by name so that many stores are not read at the same moment. */
const requeueReadyMs = (store: ObjectStore): number =>
  55_000 + (Number.parseInt(shortHash(store.metadata.uid ?? store.metadata.name, 4), 16) % 10_000);

function withoutReading(observed: ObservedStore, check: Exclude<StoreCheck, { kind: "usable" }>): StorePlan {
  const status = check.kind === "refused" ? "False" : "Unknown";
  const { conditions: _conditions, observedGeneration: _generation, ...previous } = observed.store.status ?? {};
  const verdict = {
    status: "Unknown",
    reason: check.reason,
    message: `the store cannot be read: ${check.message}`,
  } as const;
  return {
    facts: { ...previous, lastCheckedTime: seconds(observed.now) },
    verdicts: [{ type: "Ready", status, reason: check.reason, message: check.message }],
    archives: observed.archives
      .filter((archive) => archive.status?.repository?.uid === observed.store.metadata.uid)
      .map((archive) => {
        const { conditions: _old, observedGeneration: _seen, ...facts } = archive.status ?? {};
        return {
          name: archive.metadata.name,
          labels: archive.metadata.labels ?? {},
          facts,
          verdicts: [{ type: "Ready", ...verdict } as const, { type: "CatalogSynced", ...verdict } as const],
        };
      }),
    records: [],
    requeueAfterMs: 20_000,
  };
}

const doneOf = (catalog: Catalog): BackupRecord[] => catalog.backups.filter((backup) => backup.status === "done");

function summarise(server: ObservedServer) {
  const last = doneOf(server.catalog).at(-1)?.endTime;
  return {
    name: server.server,
    ...(server.window && { windowFrom: seconds(server.window.from) }),
    ...(server.window?.to && { windowTo: seconds(server.window.to) }),
    ...(last && { lastBackup: seconds(last) }),
    ...(server.newestWal && { lastWal: server.newestWal.name }),
  };
}

function recoveryWindow(server: ObservedServer) {
  const done = doneOf(server.catalog);
  const [first, last] = [done[0]?.endTime, done.at(-1)?.endTime];
  const failed = server.catalog.backups.filter((backup) => backup.status === "failed").at(-1);
  const failedTime = failed?.endTime ?? failed?.beginTime;
  return {
    ...(first && { firstRecoverabilityPoint: seconds(first) }),
    ...(last && { lastSuccessfulBackupTime: seconds(last) }),
    ...(failedTime && { lastFailedBackupTime: seconds(failedTime) }),
  };
}

function planArchive(observed: ObservedStore, server: ObservedServer): PlannedArchive {
  const { store, now } = observed;
  const living = livingOf(observed, server);
  const done = doneOf(server.catalog);
  const last = done.at(-1);
  const primary = living?.report && primaryEntry(living.report);
  const verdicts = [catalogVerdict(server.catalog), ...(living === undefined ? [] : [archivingVerdict(primary, now)])];
  const owner = server.owner;
  const cluster =
    living !== undefined
      ? { name: living.name, living: true }
      : owner && { namespace: owner.cluster.namespace, name: owner.cluster.name, living: false };
  return {
    name: objectName(store.metadata.name, server.server),
    labels: {
      [labels.store]: store.metadata.name,
      ...(cluster && isObjectName(cluster.name) && { [labels.cluster]: cluster.name }),
    },
    facts: {
      repository: { kind: "ObjectStore", name: store.metadata.name, uid: store.metadata.uid ?? "" },
      serverName: server.server,
      ...(cluster && { cluster }),
      ...((owner?.systemID ?? last?.systemId) !== undefined && { systemID: owner?.systemID ?? last?.systemId }),
      ...(server.window && { windowFrom: seconds(server.window.from) }),
      ...(server.window?.to && { windowTo: seconds(server.window.to) }),
      backups: done.length,
      failedBackups: server.catalog.backups.filter((backup) => backup.status === "failed").length,
      ...(last?.endTime && { lastBackup: { id: last.id, time: seconds(last.endTime) } }),
      ...(server.newestWal && { lastWal: { name: server.newestWal.name, time: seconds(server.newestWal.time) } }),
      ...(primary?.readyFiles !== undefined && { readyFiles: primary.readyFiles }),
      lastSyncTime: seconds(now),
    } as PlannedArchive["facts"],
    verdicts: [archiveReady(verdicts, done.length), ...verdicts],
  };
}

/** When several are told to archive under one name, only the owner can: the others are refused by their sidecars. */
function livingOf({ store, clusters }: ObservedStore, { server, owner }: ObservedServer): LivingCluster | undefined {
  const candidates = clusters.get(server) ?? [];
  const isHere = owner?.cluster.namespace === store.metadata.namespace;
  return candidates.find(({ name }) => isHere && name === owner?.cluster.name) ?? candidates[0];
}

function catalogVerdict(catalog: Catalog): Verdict {
  if (catalog.unreadable.length === 0)
    return {
      type: "CatalogSynced",
      status: "True",
      reason: "Succeeded",
      message: "every backup of the store is known",
    };
  const ids = catalog.unreadable.slice(0, 5).map((entry) => entry.id);
  return {
    type: "CatalogSynced",
    status: "False",
    reason: "MetadataUnreadable",
    message: `backup.info cannot be read for ${ids.join(", ")}: ${catalog.unreadable[0]?.error ?? ""}`,
  };
}

type Entry = NonNullable<NonNullable<InstanceReport["status"]>["instances"]>[string];

export const primaryEntry = (report: InstanceReport): Entry | undefined =>
  Object.values(report.status?.instances ?? {})
    .filter((entry) => entry.role === "primary")
    .sort((a, b) => (a.reportedAt ?? "").localeCompare(b.reportedAt ?? ""))
    .at(-1);

const reportAgeMs = (primary: Entry | undefined, now: Date): number =>
  primary?.reportedAt === undefined ? Infinity : now.getTime() - Date.parse(primary.reportedAt);

/** A silent sidecar changes nothing that would call for another look. */
function msUntilReportIsOld(observed: ObservedStore, server: ObservedServer): number {
  const report = livingOf(observed, server)?.report;
  const leftMs = reportAgeMaxMs - reportAgeMs(report && primaryEntry(report), observed.now);
  return leftMs < 0 ? Infinity : leftMs + 1_000;
}

function archivingVerdict(primary: Entry | undefined, now: Date): Verdict {
  if (primary === undefined || reportAgeMs(primary, now) > reportAgeMaxMs)
    return {
      type: "Archiving",
      status: "Unknown",
      reason: "NoReport",
      message: "the primary's sidecar has not reported for two minutes",
    };
  if (primary.archiveError !== undefined)
    return { type: "Archiving", status: "False", reason: "ArchiveFailing", message: primary.archiveError };
  return { type: "Archiving", status: "True", reason: "Succeeded", message: "the primary's WAL reaches the store" };
}

/** Whether the Archive says of its Cluster's archiving something else than the Cluster's newest report does. */
export function isContradicted(archive: Archive, report: InstanceReport, now: Date): boolean {
  if (archive.metadata.namespace !== report.metadata.namespace) return false;
  if (archive.status?.cluster?.name !== report.metadata.name) return false;
  const said = archive.status.conditions?.find(({ type }) => type === "Archiving");
  const { status, reason } = archivingVerdict(primaryEntry(report), now);
  return said !== undefined && (said.status !== status || said.reason !== reason);
}

/** Restorable now: the catalog is known, a backup counts, and nothing says that WAL stays behind. */
function archiveReady(verdicts: readonly Verdict[], backups: number): Verdict {
  const failing =
    verdicts.find((verdict) => verdict.status === "False") ?? verdicts.find((verdict) => verdict.status === "Unknown");
  if (failing !== undefined) return { ...failing, type: "Ready" };
  if (backups === 0)
    return {
      type: "Ready",
      status: "False",
      reason: "NoBackup",
      message: "no backup counts for restore yet: make one with a Backup",
    };
  return {
    type: "Ready",
    status: "True",
    reason: "Succeeded",
    message: `restorable from ${backups} ${backups === 1 ? "backup" : "backups"}`,
  };
}

/** Records for those backups of a server that no Backup stands for. */
function planRecords(observed: ObservedStore, server: ObservedServer): PlannedRecord[] {
  const { store, backups } = observed;
  const uid = store.metadata.uid;
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
  const living = livingOf(observed, server)?.name ?? server.owner?.cluster.name;
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
        : `${objectName(server.server)}-${record.id.toLowerCase()}`;
    const name = taken.has(wanted)
      ? `${wanted.slice(0, 57)}-${shortHash(`${uid}/${server.server}/${record.id}`)}`
      : wanted;
    taken.add(name);
    const object: Backup = {
      apiVersion,
      kind: "Backup",
      metadata: {
        name,
        namespace: store.metadata.namespace ?? "",
        labels: {
          [labels.store]: store.metadata.name,
          ...(living !== undefined && isObjectName(living) && { [labels.cluster]: living }),
        },
      },
      spec: {
        repository: { kind: "ObjectStore", name: store.metadata.name, serverName: server.server },
        backupId: record.id,
      },
    };
    return [{ object, why: `backup ${record.id} of server ${server.server} has no record` }];
  });
}

export const idOf = (backup: Backup): string | undefined => backup.spec.backupId ?? backup.status?.backupId;

/** Whether a Backup stands for something in this store under this server name. */
function isOf(backup: Backup, store: ObjectStore, server: string): boolean {
  const { spec, status } = backup;
  if (spec.repository !== undefined)
    return spec.repository.name === store.metadata.name && spec.repository.serverName === server;
  // A request that has its id but not its place yet must not get a second record meanwhile.
  return (
    status?.repository === undefined || (status.repository.uid === store.metadata.uid && status.serverName === server)
  );
}

/** Kubernetes times have whole seconds. */
const seconds = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;
