// One base backup by pgBackRest: its type chosen, made on the primary while no other process works on the stanza, found
// again in the repository by its label, and done only when the WAL that it needs is in that repository too. Each question
// to the repository is a process, so none is asked whose answer is known or not needed.
import type { Logger } from "#observe/logger.ts";
import type { ConnectionOptions } from "#postgres/connection.ts";
import { segmentsBetween, segmentTimeline, type SegmentName } from "#postgres/segment.ts";
import {
  backupAnnotation,
  clusterAnnotation,
  failedAnnotation,
  formatCluster,
  type ClusterName,
} from "#repository/pgbackrest/annotations.ts";
import { openFiles } from "#repository/pgbackrest/files.ts";
import type { BackupInfo, BackupType } from "#repository/pgbackrest/info.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { presentFiles } from "#repository/pgbackrest/wal-listing.ts";
import { BackupError } from "../backup/errors.ts";
import { waitForWal } from "../backup/wal-wait.ts";
import type { BackupRequest } from "./backup-request.ts";
import { chooseType, lastUpgrade, presentBackups, type TypeChoice } from "./choose-type.ts";
import { toBackupError } from "./errors.ts";
import { followCopy } from "./follow-copy.ts";
import type { Progress } from "./progress.ts";
import { readRepository } from "./read-repository.ts";
import { readPrimaryFacts, type PrimaryFacts } from "./server.ts";

export interface StanzaBackupOptions {
  readonly pgbackrest: Pgbackrest;
  readonly connection: ConnectionOptions;
  readonly request: BackupRequest;
  /** The name of our Backup. */
  readonly name: string;
  readonly cluster: ClusterName;
  /** Runs what nobody else may do on this stanza meanwhile; its signal ends the work when that is no longer so. */
  readonly exclusively: <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** How long the WAL may take to reach the repository after the copy; default 10 minutes. */
  readonly walDeadlineMs?: number;
  readonly onProgress?: (progress: StanzaBackupProgress) => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** The whole is the database's size until pgBackRest tells how much it copies. */
export interface StanzaBackupProgress extends Progress {
  readonly waitingForSegment?: string;
}

export interface StanzaBackupOutcome {
  readonly label: string;
  readonly type: BackupType;
  readonly typeReason: string;
  readonly prior: string | undefined;
  readonly repository: number;
  readonly startedAt: Date;
  readonly stoppedAt: Date;
  readonly beginWal: SegmentName;
  readonly endWal: SegmentName;
  readonly beginLsn: bigint;
  readonly endLsn: bigint;
  readonly timeline: number;
  readonly systemId: string | undefined;
  readonly sizeBytes: number | undefined;
}

const walDeadlineMsDefault = 10 * 60_000;
/** Days are no rarity: what ends a copy is its caller, and pgBackRest's own limits on silence. The longest timer. */
const copyDeadlineMs = 2 ** 31 - 1;
/** More segments than this are not asked for one by one: 1.6 TB of WAL during one backup. */
const segmentsMax = 100_000;
/** A backup that is made is looked for through an outage of some minutes. */
const attemptsAfter = 40;

/** Throws BackupError. What a failure leaves in the repository is not listed, or says that it failed. */
export async function runStanzaBackup(options: StanzaBackupOptions): Promise<StanzaBackupOutcome> {
  const { signal } = options;
  let begunAtMs: number | undefined;
  const onBegin = (): void => void (begunAtMs = Date.now());
  try {
    const facts = await readPrimaryFacts(options.connection, signal);
    const made = await options
      .exclusively(signal, (held) => makeBackup({ ...options, signal: held, onBegin }, facts))
      .catch(async (error: unknown) => {
        if (begunAtMs !== undefined)
          await markLeft(options, begunAtMs, signal.aborted ? "it was cancelled as it ended" : error);
        throw error;
      });
    await collectWal(options, made, facts);
    return toOutcome(options, made);
  } catch (error) {
    throw toBackupError(error, signal);
  }
}

interface MadeBackup {
  readonly backup: WholeBackup;
  readonly choice: TypeChoice;
  readonly systemId: string | undefined;
  /** The folder of the database's WAL in the repository, where it is told of. */
  readonly archiveIds: readonly string[] | undefined;
}

interface MakingOptions extends StanzaBackupOptions {
  readonly onBegin: () => void;
}

async function makeBackup(options: MakingOptions, { clusterBytes }: PrimaryFacts): Promise<MadeBackup> {
  const { pgbackrest, cluster, name, onBegin, onProgress, logger, signal } = options;
  const { repository } = options.request;
  const choice = await choose(options);
  logger.info({ backup: name, repository, type: choice.type, why: choice.why }, "pgbackrest backup begins");
  const copy = followCopy({ bytesGuess: clusterBytes, onProgress, logger: logger.child({ backup: name }) });
  onBegin();
  await pgbackrest.run("backup", {
    options: [
      `--type=${choice.type}`,
      "--no-archive-check",
      "--no-expire-auto",
      `--annotation=${backupAnnotation}=${name}`,
      `--annotation=${clusterAnnotation}=${formatCluster(cluster)}`,
      "--log-level-console=detail",
    ],
    repository,
    deadlineMs: copyDeadlineMs,
    onLine: copy.read,
    signal,
  });
  const info = await readRepository(pgbackrest, repository, { attempts: attemptsAfter, signal });
  const backup = info.backups.find((one) => one.label === copy.label() && one.repositoryKey === repository);
  if (!isWhole(backup))
    throw new BackupError("Store", `repository ${repository} does not list the backup that was just made`);
  const { databaseId } = backup;
  const database = info.databases.find((one) => one.repositoryKey === repository && one.id === databaseId);
  const archive = info.archives.find((one) => one.repositoryKey === repository && one.databaseId === databaseId);
  return { backup, choice, systemId: database?.systemId, archiveIds: archive && [archive.id] };
}

/** A full backup builds on nothing, so nothing is read for it. */
async function choose({ pgbackrest, request, signal }: StanzaBackupOptions): Promise<TypeChoice> {
  const { type: asked, repository } = request;
  const nothing = { databases: [], backups: [] };
  const before = asked === "full" ? nothing : await readRepository(pgbackrest, repository, { signal });
  return chooseType({
    asked,
    backups: presentBackups(before, repository),
    repository,
    upgrade: lastUpgrade(before, repository),
    policy: pgbackrest.config.backup,
    now: new Date(),
  });
}

/** A backup with all that the caller is told of it. */
type WholeBackup = BackupInfo &
  Required<Pick<BackupInfo, "beginWal" | "endWal" | "beginLsn" | "endLsn" | "beginSeconds" | "endSeconds">>;

const isWhole = (backup: BackupInfo | undefined): backup is WholeBackup =>
  backup?.beginWal !== undefined &&
  backup.endWal !== undefined &&
  backup.beginLsn !== undefined &&
  backup.endLsn !== undefined &&
  backup.beginSeconds !== undefined &&
  backup.endSeconds !== undefined;

/** A backup whose WAL does not come is marked: pgBackRest would list it as good. */
async function collectWal(
  options: StanzaBackupOptions,
  { backup, archiveIds }: MadeBackup,
  { segmentBytes }: PrimaryFacts,
): Promise<void> {
  const { pgbackrest, request, onProgress, signal } = options;
  const files = openFiles(pgbackrest, request.repository, { archiveIds });
  const bytes = backup.copiedBytes ?? backup.sizeBytes ?? 0;
  onProgress?.({ bytesDone: bytes, bytesTotal: bytes });
  try {
    await waitForWal({
      missing: async (names, call) => {
        const present = await presentFiles(files, names, call);
        return names.filter((one) => !present.has(one));
      },
      names: [...segmentsBetween(backup.beginWal, backup.endWal, segmentBytes, segmentsMax)],
      deadlineMs: options.walDeadlineMs ?? walDeadlineMsDefault,
      onWaiting: (segment) =>
        onProgress?.({
          bytesDone: bytes,
          bytesTotal: bytes,
          ...(segment !== undefined && { waitingForSegment: segment }),
        }),
      signal,
    });
  } catch (error) {
    await markFailed(options, backup.label, signal.aborted ? "it was cancelled while it waited for its wal" : error);
    throw error;
  }
}

/** After a cancellation there is not much time. */
const markMs = 10_000;

/** What ends pgBackRest may come when it has just listed the backup, and nobody has seen that. */
async function markLeft(options: StanzaBackupOptions, begunAtMs: number, why: unknown): Promise<void> {
  const { pgbackrest, request, name, logger } = options;
  try {
    const signal = AbortSignal.timeout(markMs);
    const { backups } = await readRepository(pgbackrest, request.repository, { attempts: 1, signal });
    const left = backups.find(
      ({ annotations, repositoryKey, beginSeconds = 0 }) =>
        annotations[backupAnnotation] === name &&
        repositoryKey === request.repository &&
        // In whole seconds of this machine's clock.
        beginSeconds >= Math.floor(begunAtMs / 1000),
    );
    if (left !== undefined) await markFailed(options, left.label, why);
  } catch (error) {
    logger.warn({ err: error, backup: name }, "whether a failed backup is listed could not be seen");
  }
}

async function markFailed(
  { pgbackrest, request, exclusively, logger }: StanzaBackupOptions,
  label: string,
  why: unknown,
): Promise<void> {
  const text = (why instanceof Error ? why.message : String(why)).slice(0, 200);
  try {
    await exclusively(AbortSignal.timeout(markMs), (signal) =>
      pgbackrest.run("annotate", {
        options: [`--set=${label}`, `--annotation=${failedAnnotation}=${text}`],
        repository: request.repository,
        deadlineMs: markMs,
        signal,
      }),
    );
  } catch (error) {
    logger.warn({ err: error, backup: label }, "a failed backup could not be marked in its repository");
  }
}

const toOutcome = (
  { request: { repository } }: StanzaBackupOptions,
  { backup, choice, systemId }: MadeBackup,
): StanzaBackupOutcome => ({
  label: backup.label,
  type: backup.type,
  typeReason: choice.why,
  prior: backup.prior,
  repository,
  startedAt: new Date(backup.beginSeconds * 1000),
  stoppedAt: new Date(backup.endSeconds * 1000),
  beginWal: backup.beginWal,
  endWal: backup.endWal,
  beginLsn: backup.beginLsn,
  endLsn: backup.endLsn,
  timeline: segmentTimeline(backup.endWal),
  systemId,
  sizeBytes: backup.sizeBytes,
});
