// The Backup call of CNPG on this instance: how the store wants it, before the engine makes it. Keeps what the report and
// the metrics tell of a running one.
import { labels } from "#api/names.ts";
import type { ObjectStoreReference, StoreReference } from "#cnpg/plugin-config.ts";
import { archiving } from "#cnpg/wal-roles.ts";
import type { BackupOrder, BackupOutcome, BackupPort } from "#cnpgi/backup.ts";
import { refuseParameters } from "#cnpgi/backup-parameters.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import { BackupError } from "#engine/backup/errors.ts";
import { runBackup } from "#engine/backup/run.ts";
import type { Logger } from "#observe/logger.ts";
import { formatLsn } from "#postgres/lsn.ts";
import { within } from "#std/abort.ts";
import type { StoreSource } from "#store/refreshing.ts";
import type { Surroundings } from "./surroundings.ts";

/** As the InstanceReport shows it. */
export interface RunningBackup {
  /** The CNPG Backup's name. */
  readonly name: string;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly waitingForSegment?: string;
  /** Set when the primary is to close the segment with this LSN. */
  readonly waitingForLSN?: string;
}

export interface InstanceBackups<Reference extends StoreReference> extends BackupPort<Reference> {
  /** What runs now. */
  current(): RunningBackup | undefined;
  failures(): number;
  /** Ends the running backup when it is the named one. */
  cancel(name: string): void;
}

export interface BackupDeps {
  readonly surroundings: Surroundings;
  readonly stores: StoreSource;
  readonly logger: Logger;
}

/** When someone else archives, its WAL either is in our store already or never comes. */
export const foreignWalMs = 60_000;

export function createBackups({ surroundings, stores, logger }: BackupDeps): InstanceBackups<ObjectStoreReference> {
  let running: RunningBackup | undefined;
  let cancellation = new AbortController();
  let failures = 0;

  async function run(order: BackupOrder<ObjectStoreReference>, signal: AbortSignal): Promise<BackupOutcome> {
    const { name } = order.backup.metadata;
    const opened = await within(30_000, signal, (limited) => stores.get(order.store.name, { signal: limited }));
    const { data, tags, transfer } = opened.config;
    const outcome = await runBackup({
      store: opened.store,
      server: order.store.serverName,
      connection: { host: surroundings.socketDirectory, port: surroundings.port },
      pgdata: surroundings.pgdata,
      name: order.backup.metadata.labels?.[labels.backup] ?? name,
      compression: data.compression,
      jobs: data.jobs,
      immediateCheckpoint: data.immediateCheckpoint,
      ...(transfer.partBytesLeast !== undefined && { minChunkBytes: transfer.partBytesLeast }),
      ...(data.encryption !== undefined && { encryption: data.encryption }),
      ...(tags !== undefined && { tags }),
      ...(!archiving(order.cluster).archive && { walDeadlineMs: foreignWalMs }),
      requestWalSwitch: async (lsn) => {
        if (running !== undefined) running = { ...running, waitingForLSN: formatLsn(lsn) };
      },
      onProgress: (progress) => {
        running = { ...running, name, ...progress };
      },
      logger,
      signal,
    });
    return {
      backupId: outcome.id,
      backupName: outcome.name ?? outcome.id,
      startedAt: outcome.startedAt,
      stoppedAt: outcome.stoppedAt,
      beginWal: outcome.beginWal,
      endWal: outcome.endWal,
      beginLsn: formatLsn(outcome.beginLsn),
      endLsn: formatLsn(outcome.endLsn),
      backupLabel: Buffer.from(outcome.label),
      tablespaceMap: new Uint8Array(),
      instanceId: surroundings.pod,
      online: true,
      metadata: {
        timeline: String(outcome.timeline),
        systemID: outcome.systemId,
        sizeBytes: String(outcome.sizeBytes),
      },
    };
  }

  async function backup(order: BackupOrder<ObjectStoreReference>, signal: AbortSignal): Promise<BackupOutcome> {
    refuseParameters(order.parameters);
    cancellation = new AbortController();
    running = { name: order.backup.metadata.name, bytesDone: 0, bytesTotal: 0 };
    try {
      return await run(order, AbortSignal.any([signal, cancellation.signal]));
    } catch (error) {
      failures++;
      logger.error({ err: error, backup: order.backup.metadata.name }, "backup failed");
      throw notTheArchiver(order, error) ?? error;
    } finally {
      running = undefined;
    }
  }

  return {
    backup,
    current: () => running,
    failures: () => failures,
    cancel: (name) => {
      if (running?.name === name) cancellation.abort(new Error("the backup was cancelled"));
    },
  };
}

/** The error to answer instead, when the WAL is missing because it goes elsewhere. */
export function notTheArchiver({ cluster }: Pick<BackupOrder, "cluster">, error: unknown): RpcError | undefined {
  const decision = archiving(cluster);
  if (decision.archive || !(error instanceof BackupError) || error.kind !== "WalMissing") return undefined;
  const message = `NotTheArchiver: ${decision.why}, and its WAL is not in this store: ${error.message}`;
  return new RpcError("FAILED_PRECONDITION", message, { cause: error });
}
