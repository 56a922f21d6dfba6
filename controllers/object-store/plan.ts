// What one look at a store means: the ObjectStore's status, an Archive for each server in it, and a record for each
// backup that has none. Pure. A store that could not be read changes no fact that was read before: those stand with
// CatalogSynced Unknown beside them.
import { isObjectName, labels, objectName, shortHash } from "#api/names.ts";
import { apiVersion } from "#api/kinds.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { BackupRecord, Catalog } from "#repository/catalog.ts";
import type { Check } from "#store/check.ts";
import { formatBytes } from "../backup/status.ts";
import { archiveConditions, primaryEntry, reportAgeMaxMs, reportAgeMs } from "./archive-conditions.ts";
import { storeConditions, type Problem, type Verdict } from "./conditions.ts";

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

/** What a store that could be read holds. */
export interface StoreContent {
  readonly kind: "usable";
  readonly servers: readonly ObservedServer[];
  readonly conditionalPut: boolean;
}

export interface LivingCluster {
  readonly name: string;
  readonly report?: InstanceReport;
}

export interface ObservedStore {
  readonly store: ObjectStore;
  /** Of the last preflight; empty when the store could not be opened. */
  readonly checks: readonly Check[];
  /** What it holds, or why it could not be opened or read. */
  readonly content: StoreContent | Problem;
  readonly archives: readonly Archive[];
  /** All Backups of the namespace. */
  readonly backups: readonly Backup[];
  /** Living Clusters of the namespace that are told to archive to this store, by server name. */
  readonly clusters: ReadonlyMap<string, readonly LivingCluster[]>;
  readonly now: Date;
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
const requeueFailingMs = 20_000;

export function planStore(observed: ObservedStore): StorePlan {
  const { content, checks, store, now } = observed;
  const problem = content.kind === "usable" ? undefined : content;
  const verdicts = storeConditions(store, { checks, ...(problem && { problem }) });
  const isReady = verdicts.some(({ type, status }) => type === "Ready" && status === "True");
  const told = { lastCheckedTime: seconds(now), ...(checks.length > 0 && { checks: [...checks] }) };
  if (content.kind !== "usable") return { ...withoutReading(observed, content, told), verdicts };
  const servers = content.servers.slice(0, serversMax);
  return {
    facts: {
      ...told,
      serverCount: content.servers.length,
      ...totals(content.servers),
      conditionalPut: content.conditionalPut,
      servers: servers.map(summarise),
      serverRecoveryWindow: Object.fromEntries(servers.map((server) => [server.server, recoveryWindow(server)])),
    },
    verdicts,
    archives: content.servers.map((server) => planArchive(observed, server)),
    records: content.servers.flatMap((server) => planRecords(observed, server)),
    requeueAfterMs: Math.min(
      isReady ? requeueReadyMs(store) : requeueFailingMs,
      ...servers.map((server) => msUntilReportIsOld(observed, server)),
    ),
  };
}

/** A minute, spread by name so that many stores are not read at the same moment. */
const requeueReadyMs = (store: ObjectStore): number =>
  55_000 + (Number.parseInt(shortHash(store.metadata.uid ?? store.metadata.name, 4), 16) % 10_000);

function withoutReading(
  { store, archives }: ObservedStore,
  problem: Problem,
  told: Partial<StorePlan["facts"]>,
): Omit<StorePlan, "verdicts"> {
  const { conditions: _conditions, observedGeneration: _generation, checks: _checks, ...previous } = store.status ?? {};
  const verdict = {
    status: "Unknown",
    reason: problem.reason,
    message: `the store cannot be read: ${problem.message}`,
  } as const;
  return {
    facts: { ...previous, ...told },
    archives: archives
      .filter((archive) => archive.status?.repository?.uid === store.metadata.uid)
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
    requeueAfterMs: requeueFailingMs,
  };
}

const doneOf = (catalog: Catalog): BackupRecord[] => catalog.backups.filter((backup) => backup.status === "done");

/** Of all servers together: the newest moments, and the size where every backup says its own. */
function totals(servers: readonly ObservedServer[]) {
  const done = servers.flatMap((server) => doneOf(server.catalog));
  const backup = newest(done.flatMap(({ endTime }) => endTime ?? []));
  const wal = newest(servers.flatMap((server) => server.newestWal?.time ?? []));
  const sizes = done.flatMap(({ storedBytes }) => storedBytes ?? []);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return {
    ...(backup && { lastBackupTime: seconds(backup) }),
    ...(wal && { lastWalTime: seconds(wal) }),
    ...(sizes.length === done.length && { backupBytes: bytes, backupSize: formatBytes(bytes) }),
  };
}

const newest = (times: readonly Date[]): Date | undefined => times.toSorted((a, b) => a.getTime() - b.getTime()).at(-1);

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

/** A silent sidecar changes nothing that would call for another look. */
function msUntilReportIsOld(observed: ObservedStore, server: ObservedServer): number {
  const report = livingOf(observed, server)?.report;
  const leftMs = reportAgeMaxMs - reportAgeMs(report && primaryEntry(report), observed.now);
  return leftMs < 0 ? Infinity : leftMs + 1_000;
}

function planArchive(observed: ObservedStore, server: ObservedServer): PlannedArchive {
  const { store, now } = observed;
  const living = livingOf(observed, server);
  const done = doneOf(server.catalog);
  const last = done.at(-1);
  const primary = living?.report && primaryEntry(living.report);
  const owner = server.owner;
  const cluster =
    living !== undefined
      ? { name: living.name, living: true }
      : owner && { namespace: owner.cluster.namespace, name: owner.cluster.name, living: false };
  return {
    name: objectName(store.metadata.name, server.server),
    labels: {
      ...storeLabel(store),
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
    verdicts: archiveConditions({ catalog: server.catalog, backups: done.length, now, ...(living && { primary }) }),
  };
}

/** When several are told to archive under one name, only the owner can: the others are refused by their sidecars. */
function livingOf({ store, clusters }: ObservedStore, { server, owner }: ObservedServer): LivingCluster | undefined {
  const candidates = clusters.get(server) ?? [];
  const isHere = owner?.cluster.namespace === store.metadata.namespace;
  return candidates.find(({ name }) => isHere && name === owner?.cluster.name) ?? candidates[0];
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
        namespace: store.metadata.namespace ?? "",
        labels: {
          ...storeLabel(store),
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

/** A longer name cannot be a label. */
const storeLabel = ({ metadata }: ObjectStore): Readonly<Record<string, string>> =>
  metadata.name.length > 63 ? {} : { [labels.store]: metadata.name };

/** Whether a Backup stands for something in this store under this server name. */
function isOf(backup: Backup, store: ObjectStore, server: string): boolean {
  const { spec, status } = backup;
  if (spec.repository !== undefined)
    return spec.repository.name === store.metadata.name && spec.repository.serverName === server;
  // A request that has its id but not its place yet must not get a second record meanwhile. By name, as a Backup looks
  // for its store: in one that was made again under its name, it stands for what it finds there.
  return (
    status?.repository === undefined || (status.repository.name === store.metadata.name && status.serverName === server)
  );
}

/** Kubernetes times have whole seconds. */
const seconds = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;
