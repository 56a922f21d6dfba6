// One attempt at a base backup: what is known of it so far, and how that reads in backup.info, which is written last.
import { microsToDate } from "#postgres/timestamp.ts";
import { backupInfoKey, backupPrefix } from "#repository/barman/layout.ts";
import { formatBackupInfo, type BackupInfo } from "#repository/barman/backup-info.ts";
import { parseSegmentName, type SegmentName } from "#postgres/segment.ts";
import type { ObjectStore, PutOptions } from "#store/store.ts";
import { BackupError } from "./errors.ts";
import { backupIdAt } from "./plan.ts";
import type { BackupStart, BackupStop, ServerFacts } from "./server.ts";

/** Where a backup goes, and with which properties its objects are stored. */
export interface BackupPlace {
  readonly store: ObjectStore;
  readonly server: string;
  readonly tags?: PutOptions["tags"];
  readonly encryption?: PutOptions["encryption"];
}

export interface BackupAttempt {
  readonly id: string;
  readonly name: string | undefined;
  readonly jobs: number;
  readonly facts: ServerFacts;
  readonly start: BackupStart;
  /** Keys of the archives begun so far. */
  readonly volumes: string[];
  /** Bytes read from the data directory. */
  bytesDone: number;
  stop?: BackupStop;
  /** Names of the WAL files that it needs, oldest first. */
  wal?: readonly string[];
  beginTimeline?: number;
  /** Bytes that the store holds; set once all archives are complete. */
  storedBytes?: number;
}

const idAttempts = 60;

/** The id of `startedAt`, or of the next second that no backup of the server has taken. */
export async function freeBackupId(
  { store, server }: BackupPlace,
  startedAt: Date,
  signal: AbortSignal,
): Promise<string> {
  for (let seconds = 0; seconds < idAttempts; seconds++) {
    const id = backupIdAt(new Date(startedAt.getTime() + seconds * 1000));
    if (!(await isTaken(store, backupPrefix(server, id), signal))) return id;
  }
  throw new BackupError("Store", `no free backup id near ${backupIdAt(startedAt)} in ${store.location}/${server}`);
}

async function isTaken(store: ObjectStore, prefix: string, signal: AbortSignal): Promise<boolean> {
  for await (const _ of store.list(prefix, { signal })) return true;
  return false;
}

/** Writes backup.info: DONE without an error, FAILED with one. */
export async function writeRecord(
  place: BackupPlace,
  attempt: BackupAttempt,
  options: { readonly error?: string; readonly signal: AbortSignal },
): Promise<void> {
  const text = formatBackupInfo(toBackupInfo(attempt, options.error));
  await place.store.put(backupInfoKey(place.server, attempt.id), Buffer.from(text, "utf8"), {
    ...(place.tags === undefined ? {} : { tags: place.tags }),
    ...(place.encryption === undefined ? {} : { encryption: place.encryption }),
    signal: options.signal,
  });
}

function toBackupInfo(attempt: BackupAttempt, error: string | undefined): BackupInfo {
  const { facts, start, stop, storedBytes, beginTimeline } = attempt;
  const [beginWal, endWal] = walBounds(attempt);
  return {
    status: error === undefined ? "DONE" : "FAILED",
    ...(attempt.name === undefined ? {} : { backupName: attempt.name }),
    ...(error === undefined ? {} : { error }),
    beginTime: start.startedAt,
    beginLsn: start.beginLsn,
    ...(beginWal === undefined ? {} : { beginWal }),
    ...(endWal === undefined ? {} : { endWal }),
    ...(beginTimeline === undefined ? {} : { timeline: beginTimeline }),
    ...(stop === undefined ? {} : { backupLabel: stop.label, endTime: stop.stoppedAt, endLsn: stop.endLsn }),
    systemId: facts.systemId,
    version: facts.version,
    segmentBytes: facts.segmentBytes,
    clusterBytes: storedBytes === undefined ? facts.clusterBytes : attempt.bytesDone,
    ...(storedBytes === undefined ? {} : { storedBytes, copyStats: copyStats(attempt) }),
    pgdata: facts.dataDirectory,
    configFile: facts.configFile,
    hbaFile: facts.hbaFile,
    identFile: facts.identFile,
    dataChecksums: facts.dataChecksums,
    ...(facts.summarizeWal === undefined ? {} : { summarizeWal: facts.summarizeWal }),
    tablespaces: [],
  };
}

/** The first and the last segment that the backup needs; history files come after the segments and are none. */
export function walBounds({ wal = [] }: BackupAttempt): readonly [SegmentName | undefined, SegmentName | undefined] {
  const segments = wal.map(parseSegmentName).filter((name) => name !== undefined);
  return [segments[0], segments.at(-1)];
}

/** What barman-cloud-backup-show prints of a copy. */
function copyStats({ start, stop, jobs }: BackupAttempt): { readonly [key: string]: number } {
  const micros = (stop?.stoppedAt ?? start.startedAt) - start.startedAt;
  return { total_time: Number(micros) / 1e6, number_of_workers: jobs };
}

/** How a finished backup is told to the caller. */
export interface BackupOutcome {
  readonly id: string;
  readonly name: string | undefined;
  readonly startedAt: Date;
  readonly stoppedAt: Date;
  readonly beginWal: SegmentName;
  readonly endWal: SegmentName;
  readonly beginLsn: bigint;
  readonly endLsn: bigint;
  /** The content of backup_label. */
  readonly label: string;
  /** Of the begin; a standby can end on another one (see endWal). */
  readonly timeline: number;
  readonly systemId: string;
  /** server_version_num */
  readonly postgresVersion: number;
  readonly segmentBytes: number;
  /** Bytes of the database files, and of the objects that hold them. */
  readonly sizeBytes: number;
  readonly storedBytes: number;
  readonly fromStandby: boolean;
}

export function toOutcome(attempt: BackupAttempt): BackupOutcome {
  const { facts, start, stop, storedBytes, beginTimeline } = attempt;
  const [beginWal, endWal] = walBounds(attempt);
  if (stop === undefined || storedBytes === undefined || beginTimeline === undefined) throw unfinished();
  if (beginWal === undefined || endWal === undefined) throw unfinished();
  return {
    id: attempt.id,
    name: attempt.name,
    startedAt: microsToDate(start.startedAt),
    stoppedAt: microsToDate(stop.stoppedAt),
    beginWal,
    endWal,
    beginLsn: start.beginLsn,
    endLsn: stop.endLsn,
    label: stop.label,
    timeline: beginTimeline,
    systemId: facts.systemId,
    postgresVersion: facts.version,
    segmentBytes: facts.segmentBytes,
    sizeBytes: attempt.bytesDone,
    storedBytes,
    fromStandby: facts.standby,
  };
}

const unfinished = (): Error => new Error("an unfinished backup was told as finished");
