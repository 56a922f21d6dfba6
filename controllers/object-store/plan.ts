// What one look at a store means: the ObjectStore's status, an Archive for each server in it, and a record for each
// backup that has none. Pure. A store that could not be read changes no fact that was read before: those stand with
// CatalogSynced Unknown beside them.
import { shortHash } from "#api/names.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { timestamp } from "#kube/timestamp.ts";
import type { Check } from "#store/check.ts";
import {
  doneOf,
  msUntilReportIsOld,
  planArchive,
  planUnread,
  type ArchiveInput,
  type LivingCluster,
  type ObservedServer,
  type PlannedArchive,
} from "../archive/plan.ts";
import { planRecords, type PlannedRecord } from "../archive/plan-records.ts";
import { formatBytes } from "../backup/status.ts";
import type { Problem } from "../opening-problem.ts";
import type { Verdict } from "../verdict.ts";
import { storeConditions } from "./conditions.ts";

/** What a store that could be read holds. */
export interface StoreContent {
  readonly kind: "usable";
  readonly servers: readonly ObservedServer[];
  readonly conditionalPut: boolean;
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
  const told = { lastCheckedTime: timestamp(now), ...(checks.length > 0 && { checks: [...checks] }) };
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
    archives: content.servers.map((server) => planArchive(inputOf(observed, server))),
    records: content.servers.flatMap((server) =>
      planRecords({ ...inputOf(observed, server), backups: observed.backups }),
    ),
    requeueAfterMs: Math.min(
      isReady ? requeueReadyMs(store) : requeueFailingMs,
      ...servers.map((server) => msUntilReportIsOld(inputOf(observed, server))),
    ),
  };
}

const inputOf = ({ store, clusters, now }: ObservedStore, server: ObservedServer): ArchiveInput => ({
  store: { kind: "ObjectStore", object: store },
  server,
  clusters: clusters.get(server.server) ?? [],
  now,
});

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
      .map((archive) => planUnread(archive, verdict)),
    records: [],
    requeueAfterMs: requeueFailingMs,
  };
}

/** Of all servers together: the newest moments, and the size where every backup says its own. */
function totals(servers: readonly ObservedServer[]) {
  const done = servers.flatMap((server) => doneOf(server.catalog));
  const backup = newest(done.flatMap(({ endTime }) => endTime ?? []));
  const wal = newest(servers.flatMap((server) => server.newestWal?.time ?? []));
  const sizes = done.flatMap(({ storedBytes }) => storedBytes ?? []);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return {
    ...(backup && { lastBackupTime: timestamp(backup) }),
    ...(wal && { lastWalTime: timestamp(wal) }),
    ...(sizes.length === done.length && { backupBytes: bytes, backupSize: formatBytes(bytes) }),
  };
}

const newest = (times: readonly Date[]): Date | undefined => times.toSorted((a, b) => a.getTime() - b.getTime()).at(-1);

function summarise(server: ObservedServer) {
  const last = doneOf(server.catalog).at(-1)?.endTime;
  return {
    name: server.server,
    ...(server.window && { windowFrom: timestamp(server.window.from) }),
    ...(server.window?.to && { windowTo: timestamp(server.window.to) }),
    ...(last && { lastBackup: timestamp(last) }),
    ...(server.newestWal && { lastWal: server.newestWal.name }),
  };
}

function recoveryWindow(server: ObservedServer) {
  const done = doneOf(server.catalog);
  const [first, last] = [done[0]?.endTime, done.at(-1)?.endTime];
  const failed = server.catalog.backups.filter((backup) => backup.status === "failed").at(-1);
  const failedTime = failed?.endTime ?? failed?.beginTime;
  return {
    ...(first && { firstRecoverabilityPoint: timestamp(first) }),
    ...(last && { lastSuccessfulBackupTime: timestamp(last) }),
    ...(failedTime && { lastFailedBackupTime: timestamp(failedTime) }),
  };
}
