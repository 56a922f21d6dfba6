// Restores one base backup into a data directory. Nothing is written before the backup, its WAL and the room for it are
// known to be there; what a failure leaves is removed again. Recovery itself is PostgreSQL's, from the WAL archive.
import { CodecError } from "#codec/errors.ts";
import type { Logger } from "#observe/logger.ts";
import { parseControlData, type ControlData } from "#postgres/control.ts";
import { PostgresFileError } from "#postgres/errors.ts";
import { defaultSegmentBytes, segmentsBetween, segmentTimeline } from "#postgres/segment.ts";
import { lackingData } from "#repository/barman/contents.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { StoreError } from "#store/errors.ts";
import type { ObjectStore } from "#store/store.ts";
import { missingWal } from "../backup/wal-presence.ts";
import { RestoreError } from "./errors.ts";
import { cleanTarget, completeTarget, prepareTarget, requireSpace, type RestoreTarget } from "./target.ts";
import { Extractor, tablespaceFound } from "./untar.ts";
import { listVolumes, openVolume, type Volume } from "./volumes.ts";

export interface RestoreOptions extends RestoreTarget {
  readonly store: ObjectStore;
  readonly server: string;
  readonly backup: BackupRecord;
  /** Requests under way at once for one archive; default 4. */
  readonly parallel?: number;
  readonly logger: Logger;
  /** Told while data arrives: bytes written so far, and how many there will be where the backup says so. */
  readonly onProgress?: (progress: RestoreProgress) => void;
  readonly signal: AbortSignal;
}

export interface RestoreProgress {
  readonly bytesDone: number;
  readonly bytesTotal?: number;
}

export interface RestoreOutcome {
  readonly backupId: string;
  readonly files: number;
  readonly bytes: number;
  readonly durationMs: number;
}

const parallelDefault = 4;
/** More segments than this are not asked for one by one: 1.6 TB of WAL during one backup. */
const segmentsMax = 100_000;
/** For what grows at start: WAL of recovery itself, configuration, the file system's own needs. */
const spaceReserveBytes = 64 * 1024 * 1024;

/** Throws RestoreError; afterwards the target is as empty as before, unless it was the target that was refused. */
export async function runRestore(options: RestoreOptions): Promise<RestoreOutcome> {
  const startedAt = performance.now();
  try {
    const volumes = await checkBeforehand(options);
    await prepareTarget(options, options.backup.id);
    const { files, bytes } = await fill(options, volumes).catch(async (error: unknown) => {
      await cleanAfterFailure(options);
      throw error;
    });
    return { backupId: options.backup.id, files, bytes, durationMs: performance.now() - startedAt };
  } catch (error) {
    throw toRestoreError(error, options);
  }
}

/** The archives of the backup, after everything was looked at that can be without writing. */
async function checkBeforehand(options: RestoreOptions): Promise<readonly Volume[]> {
  const { backup } = options;
  if (backup.status !== "done") {
    const reason = backup.error === undefined ? "" : `: ${backup.error}`;
    throw new RestoreError("NotUsable", `backup ${backup.id} is ${backup.status}${reason}`);
  }
  if (backup.tablespaces.length > 0) throw tablespaceFound(`tablespace ${backup.tablespaces.join(", ")}`);
  await requireWal(options);
  const volumes = await listVolumes({ ...options, backupId: backup.id });
  requireWholeData(backup, volumes);
  const bytes = backup.sizeBytes ?? volumes.reduce((sum, { size }) => sum + size, 0);
  await requireSpace(options, bytes + spaceReserveBytes);
  return volumes;
}

/** Every volume is a whole archive: that one in the middle is gone shows in none of the others. */
function requireWholeData(backup: BackupRecord, volumes: readonly Volume[]): void {
  const files = volumes.map(({ key, size }) => ({ name: key.slice(key.lastIndexOf("/") + 1), bytes: size }));
  const lacking = lackingData(backup, files);
  if (lacking === undefined) return;
  throw new RestoreError("NotUsable", `backup ${backup.id} is not whole: ${lacking}`, {
    hint: "Restore an older or newer backup.",
  });
}

/** All WAL from the backup's begin to its end: without any of it, the files are no database. */
async function requireWal({ store, server, backup, signal }: RestoreOptions): Promise<void> {
  const { beginWal, endWal } = backup;
  if (beginWal === undefined || endWal === undefined) {
    throw new RestoreError("NotUsable", `backup ${backup.id} does not say which wal it needs`);
  }
  // Where a standby followed a failover during the backup, the timelines in between are not known here.
  const names =
    segmentTimeline(beginWal) === segmentTimeline(endWal)
      ? [...segmentsBetween(beginWal, endWal, backup.segmentBytes ?? defaultSegmentBytes, segmentsMax)]
      : [beginWal, endWal];
  const missing = await missingWal({ store, server }, names, { signal });
  if (missing.length === 0) return;
  const [first = ""] = missing;
  const others = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
  throw new RestoreError("WalMissing", `backup ${backup.id} needs wal that is not in the archive: ${first}${others}`, {
    hint: "Restore an older or newer backup, or archive the missing wal again.",
  });
}

async function fill(
  options: RestoreOptions,
  volumes: readonly Volume[],
): Promise<{ readonly files: number; readonly bytes: number }> {
  let bytes = 0;
  const bytesTotal = options.backup.sizeBytes;
  const onBytes = (count: number): void => {
    bytes += count;
    options.onProgress?.({ bytesDone: bytes, ...(bytesTotal === undefined ? {} : { bytesTotal }) });
  };
  const extractor = new Extractor(options.pgdata, { onBytes, signal: options.signal });
  for (const volume of volumes) {
    options.logger.debug({ key: volume.key, bytes: volume.size }, "extracting an archive of the backup");
    await extractor.extract(openVolume(volume, { ...options, parallel: options.parallel ?? parallelDefault }));
  }
  const control = extractor.finish();
  checkControl(control, options.backup);
  await completeTarget(options, control, options.signal);
  return { files: extractor.files + 1, bytes: bytes + control.length };
}

/** The last thing before the directory counts as whole: is it the cluster that the backup's record speaks of? */
function checkControl(content: Buffer, backup: BackupRecord): void {
  const control = parseControl(content);
  if (backup.systemId !== undefined && control.systemId !== backup.systemId) {
    const found = `the backup's files are of system ${control.systemId}`;
    throw new RestoreError("Corrupt", `${found}, its record is of system ${backup.systemId}`);
  }
}

function parseControl(content: Buffer): ControlData {
  try {
    return parseControlData(content);
  } catch (error) {
    if (!(error instanceof PostgresFileError)) throw error;
    const kind = error.kind === "Unsupported" ? "Unsupported" : "Corrupt";
    throw new RestoreError(kind, `the backup's control file cannot be used: ${error.message}`, { cause: error });
  }
}

/** The target must be empty for the next try; that it cannot be cleaned must not hide why the restore failed. */
async function cleanAfterFailure(options: RestoreOptions): Promise<void> {
  await cleanTarget(options).catch((error: unknown) => {
    options.logger.warn({ err: error }, "the data directory of a failed restore could not be emptied");
  });
}

function toRestoreError(error: unknown, { backup, signal }: RestoreOptions): unknown {
  const doing = `restoring backup ${backup.id}`;
  if (signal.aborted) return new RestoreError("Cancelled", `${doing} was cancelled`, { cause: signal.reason });
  if (error instanceof RestoreError) return error;
  if (error instanceof StoreError) {
    return new RestoreError("Store", `${doing} failed: ${error.message}`, { cause: error, hint: error.hint });
  }
  if (error instanceof CodecError) {
    return new RestoreError(error.kind, `${doing} failed: ${error.message}`, { cause: error, hint: error.hint });
  }
  return error;
}
