// One base backup in barman's layout: the data directory as a tar archive, then the WAL it needs, then its record. Only
// the record makes it a backup, and it says DONE only when all the WAL is in the store. Runs beside other work of the
// process: it never holds the event loop, and memory stays at a few parts whatever the size of the database.
import { PostgresError, connectPostgres, type ConnectionOptions, type Session } from "#postgres/connection.ts";
import { RepositoryError } from "#repository/errors.ts";
import { backupInfoKey } from "#repository/barman/layout.ts";
import { compareOwner, readOwner } from "#repository/barman/owner.ts";
import { StoreError } from "#store/errors.ts";
import type { Logger } from "#observe/logger.ts";
import { copyData } from "./copy.ts";
import { BackupError } from "./errors.ts";
import { cutArchive } from "./plan.ts";
import {
  freeBackupId,
  toOutcome,
  writeRecord,
  type BackupAttempt,
  type BackupOutcome,
  type BackupPlace,
} from "./record.ts";
import { databaseError, readServerFacts, startBackup } from "./server.ts";
import { backupCompression, type BackupCompression } from "./volumes.ts";
import { missingFrom, missingWal } from "./wal-presence.ts";
import { waitForWal } from "./wal-wait.ts";

export interface BackupOptions extends BackupPlace {
  readonly connection: ConnectionOptions;
  readonly pgdata: string;
  /** Barman's id; by default the time of the start, or the next second that is free. */
  readonly id?: string;
  /** Kept in backup.info as backup_name. */
  readonly name?: string;
  /** "none" (the default) or "gzip"; others are refused by name. */
  readonly compression?: string;
  /** Parts on their way, and blocks being compressed, at once; barman's default is 2. */
  readonly jobs?: number;
  readonly immediateCheckpoint?: boolean;
  readonly minChunkBytes?: number;
  /** A larger archive is divided; barman's default is 100 GB. */
  readonly maxArchiveBytes?: number;
  /** How long the WAL may take to reach the store after the copy; default 10 minutes. */
  readonly walDeadlineMs?: number;
  /** Asks the primary to close the segment that holds this LSN; called for backups of a standby. */
  readonly requestWalSwitch?: (afterLsn: bigint) => Promise<void>;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface BackupProgress {
  readonly bytesDone: number;
  /** Size of the database when the backup began, or what was read when that is more. */
  readonly bytesTotal: number;
  /** Set while the data is stored and WAL is waited for. */
  readonly waitingForSegment?: string;
}

const jobsDefault = 2;
const walDeadlineMsDefault = 10 * 60_000;
const progressEveryMs = 500;
/** What a failure leaves in the store is removed within this time: after SIGTERM there is not more. */
const cleanUpMs = 5_000;

/** Makes one backup; throws BackupError. Afterwards the server is out of backup mode in any case. */
export async function runBackup(options: BackupOptions): Promise<BackupOutcome> {
  try {
    const compression = backupCompression(options.compression);
    const session = await connectPostgres(
      { applicationName: "holdfast-backup", ...options.connection },
      options.signal,
    );
    try {
      const attempt = await begin(session, options);
      return await finish(attempt, session, { ...options, compression });
    } finally {
      await session.close();
    }
  } catch (error) {
    throw toBackupError(error, options.signal);
  }
}

async function begin(session: Session, options: BackupOptions): Promise<BackupAttempt> {
  const { signal } = options;
  const facts = await readServerFacts(session, signal);
  await refuseForeignArchive(options, facts.systemId);
  const id = options.id ?? (await freeBackupId(options, new Date(), signal));
  const start = await startBackup(session, {
    label: `Holdfast backup ${id}`,
    immediateCheckpoint: options.immediateCheckpoint ?? false,
    signal,
  });
  options.logger.info({ backup: id, standby: facts.standby, bytes: facts.clusterBytes }, "base backup started");
  return { id, name: options.name, jobs: options.jobs ?? jobsDefault, facts, start, volumes: [], bytesDone: 0 };
}

/** A backup beside the WAL of another database system could never be restored, and would mislead whoever owns it. */
async function refuseForeignArchive({ store, server, signal }: BackupOptions, systemId: string): Promise<void> {
  const ownership = compareOwner(await readOwner(store, server, { signal }), systemId);
  if (ownership.kind !== "foreign") return;
  const { cluster, systemId: other } = ownership.owner;
  const owner = `cluster ${cluster.namespace}/${cluster.name}, database system ${other}`;
  throw new BackupError(
    "ForeignArchive",
    `server ${server} in ${store.location} belongs to ${owner}; this is ${systemId}`,
    {
      hint: "Give this cluster another serverName in the plugin's parameters.",
    },
  );
}

type RunningOptions = BackupOptions & { readonly compression: BackupCompression };

async function finish(attempt: BackupAttempt, session: Session, options: RunningOptions): Promise<BackupOutcome> {
  const progress = createProgress(attempt, options);
  try {
    await copyData(attempt, {
      place: options,
      session,
      pgdata: options.pgdata,
      compression: options.compression,
      cut: cutArchive(options),
      onBytes: () => progress.tell(),
      signal: options.signal,
    });
    progress.tell({ now: true });
    await collectWal(attempt, options, (name) => progress.tell({ now: true, waitingForSegment: name }));
    await writeRecord(options, attempt, { signal: options.signal });
    return toOutcome(attempt);
  } catch (error) {
    await settleFailure(attempt, options, toBackupError(error, options.signal));
    throw error;
  }
}

/** Waits for the WAL. The segment in which a standby's backup ends is open at the primary until it is asked to switch. */
async function collectWal(
  attempt: BackupAttempt,
  options: BackupOptions,
  onWaiting: (name: string | undefined) => void,
): Promise<void> {
  const { facts, wal = [], stop } = attempt;
  const { logger, signal } = options;
  if (facts.standby && stop !== undefined && options.requestWalSwitch !== undefined) {
    const missing = await missingWal(options, wal, { signal });
    if (missing.length > 0) {
      logger.info({ backup: attempt.id, segment: missing.at(-1) }, "the primary is asked to switch its wal");
      await options.requestWalSwitch(stop.endLsn).catch((error: unknown) => {
        // The segment may fill up or be closed by archive_timeout all the same.
        logger.warn({ err: error, backup: attempt.id }, "the primary could not be asked to switch its wal");
      });
    }
  }
  const deadlineMs = options.walDeadlineMs ?? walDeadlineMsDefault;
  await waitForWal({ missing: missingFrom(options), names: wal, deadlineMs, onWaiting, signal });
}

/**
 * Leaves nothing in the store that looks like a backup. An archive that is not whole is of no use to anybody and goes;
 * one that only lacks its WAL stays, marked as failed. After a cancellation the mark is left out if all data is gone.
 * The record goes before the data: its own put may have taken effect though it failed, and says DONE then.
 */
async function settleFailure(attempt: BackupAttempt, options: BackupOptions, error: unknown): Promise<void> {
  const signal = AbortSignal.timeout(cleanUpMs);
  const isWhole = attempt.storedBytes !== undefined && !options.signal.aborted;
  const warn = (cause: unknown): void => {
    options.logger.warn({ err: cause, backup: attempt.id }, "the remains of a failed backup could not be removed");
  };
  const isGone =
    !isWhole &&
    (await removeRemains(attempt, options, signal).then(
      () => true,
      (cause: unknown) => (warn(cause), false),
    ));
  if (isGone && options.signal.aborted) return;
  const message = error instanceof Error ? error.message : String(error);
  await writeRecord(options, attempt, { error: message, signal }).catch(warn);
}

/** The record first: it may be there, saying DONE, though its answer did not come before the cancellation. */
async function removeRemains(
  { id, volumes }: BackupAttempt,
  { store, server }: BackupOptions,
  signal: AbortSignal,
): Promise<void> {
  await store.delete([backupInfoKey(server, id)], { signal });
  await store.delete(volumes, { signal });
}

function createProgress(
  attempt: BackupAttempt,
  { onProgress }: BackupOptions,
): { tell(options?: { readonly now?: boolean; readonly waitingForSegment?: string | undefined }): void } {
  let last = 0;
  return {
    tell: ({ now = false, waitingForSegment } = {}) => {
      const time = performance.now();
      if (onProgress === undefined || (!now && time - last < progressEveryMs)) return;
      last = time;
      const bytesTotal = Math.max(attempt.bytesDone, attempt.facts.clusterBytes);
      onProgress({
        bytesDone: attempt.bytesDone,
        bytesTotal,
        ...(waitingForSegment !== undefined && { waitingForSegment }),
      });
    },
  };
}

/** Every failure in the words of this layer; what is none of the known kinds is a fault of ours and stays as it is. */
function toBackupError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return cancelled(signal.reason);
  if (error instanceof PostgresError) return databaseError(error);
  if (error instanceof RepositoryError) {
    return new BackupError("ForeignArchive", error.message, { cause: error, ...(error.hint && { hint: error.hint }) });
  }
  if (!(error instanceof StoreError)) return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new BackupError("Store", `storing the backup failed: ${error.message}`, { cause: error, ...hint });
}

const cancelled = (reason: unknown): BackupError => {
  const isDeadline = reason instanceof Error && reason.name === "TimeoutError";
  return new BackupError("Cancelled", isDeadline ? "the backup passed its deadline" : "the backup was cancelled", {
    cause: reason,
  });
};
