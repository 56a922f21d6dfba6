// What a base backup asks PostgreSQL: facts about the server, and the start and stop of backup mode. The session must
// stay open in between, because the server gives a backup up when its session ends. PostgreSQL 15 to 18, on a primary
// or a standby (documentation: "Making a Base Backup Using the Low Level API").
import { PostgresError, type Row, type Session } from "#postgres/connection.ts";
import { parseLsn } from "#postgres/lsn.ts";
import { parseMoment } from "#postgres/timestamp.ts";
import { isSupportedMajor, majorOf, unsupportedMajor } from "#postgres/version.ts";
import { tablespaceFound } from "./data-directory.ts";
import { BackupError } from "./errors.ts";

export interface ServerFacts {
  readonly standby: boolean;
  /** server_version_num */
  readonly version: number;
  readonly systemId: string;
  readonly segmentBytes: number;
  readonly dataChecksums: string;
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly hbaFile: string;
  readonly identFile: string;
  /** Size of all relations, in bytes. */
  readonly clusterBytes: number;
  /** PostgreSQL 17 and newer: "on" or "off". */
  readonly summarizeWal?: string;
}

export interface BackupStart {
  /** By the server's clock, in microseconds since 1970. */
  readonly startedAt: bigint;
  readonly beginLsn: bigint;
}

export interface BackupStop {
  readonly stoppedAt: bigint;
  readonly endLsn: bigint;
  /** The content of backup_label. */
  readonly label: string;
  readonly endTimeline: number | undefined;
}

/** A checkpoint that is not hurried takes checkpoint_timeout × checkpoint_completion_target, at most a day's fraction. */
const startTimeoutMs = 60 * 60_000;
/** Stopping does not wait for the archive, but a busy server may take its time to write. */
const stopTimeoutMs = 5 * 60_000;
const factsTimeoutMs = 10 * 60_000;

/** Reads the facts; throws BackupError "Unsupported" for a version or tablespaces that cannot be backed up yet. */
export async function readServerFacts(session: Session, signal: AbortSignal): Promise<ServerFacts> {
  const [row] = await ask(session, factsQuery, { timeoutMs: factsTimeoutMs, signal });
  const version = numberIn(row, "version");
  if (!isSupportedMajor(majorOf(version))) throw new BackupError("Unsupported", unsupportedMajor(majorOf(version)));
  await refuseTablespaces(session, signal);
  const summarizeWal = row?.["summarize_wal"];
  return {
    standby: textIn(row, "standby") === "t",
    version,
    systemId: textIn(row, "system_id"),
    segmentBytes: numberIn(row, "segment_bytes"),
    dataChecksums: textIn(row, "data_checksums"),
    dataDirectory: textIn(row, "data_directory"),
    configFile: textIn(row, "config_file"),
    hbaFile: textIn(row, "hba_file"),
    identFile: textIn(row, "ident_file"),
    clusterBytes: numberIn(row, "cluster_bytes"),
    ...(typeof summarizeWal === "string" ? { summarizeWal } : {}),
  };
}

const factsQuery = `
  SELECT pg_is_in_recovery() AS standby,
         current_setting('server_version_num') AS version,
         (SELECT system_identifier FROM pg_control_system()) AS system_id,
         (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size') AS segment_bytes,
         current_setting('data_checksums') AS data_checksums,
         current_setting('data_directory') AS data_directory,
         coalesce(current_setting('config_file'), '') AS config_file,
         coalesce(current_setting('hba_file'), '') AS hba_file,
         coalesce(current_setting('ident_file'), '') AS ident_file,
         (SELECT sum(pg_tablespace_size(oid)) FROM pg_tablespace) AS cluster_bytes,
         current_setting('summarize_wal', true) AS summarize_wal`;

/** Tablespaces lie outside the data directory: without them a backup would be a part that looks like a whole. */
async function refuseTablespaces(session: Session, signal: AbortSignal): Promise<void> {
  const query = "SELECT spcname FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1";
  const rows = await ask(session, query, { signal });
  if (rows.length > 0) throw tablespaceFound(rows.map((row) => textIn(row, "spcname")).join(", "));
}

/** Puts the server into backup mode, which waits for a checkpoint. */
export async function startBackup(
  session: Session,
  options: { readonly label: string; readonly immediateCheckpoint: boolean; readonly signal: AbortSignal },
): Promise<BackupStart> {
  const [row] = await ask(session, `SELECT pg_backup_start($1, $2) AS lsn, ${nowColumn}`, {
    parameters: [options.label, String(options.immediateCheckpoint)],
    timeoutMs: startTimeoutMs,
    signal: options.signal,
  });
  return { startedAt: momentIn(row, "now"), beginLsn: lsnIn(row, "lsn") };
}

/**
 * Ends backup mode without waiting for the archive. A primary then closes the segment that holds the end position; a
 * standby cannot. Throws BackupError "Promoted" when the standby of the start is none any more.
 */
export async function stopBackup(session: Session, facts: ServerFacts, signal: AbortSignal): Promise<BackupStop> {
  const [row] = await ask(session, `SELECT lsn, labelfile, spcmapfile, ${nowColumn} FROM pg_backup_stop(false)`, {
    timeoutMs: stopTimeoutMs,
    signal,
  }).catch(async (error: unknown) => {
    await refusePromotion(session, facts, signal);
    throw error;
  });
  const map = row?.["spcmapfile"] ?? "";
  if (map !== "") throw tablespaceFound(map.trim().split(/\s+/)[1] ?? map);
  // On a standby the end position is its minimum recovery point, which it reached on this timeline.
  const [recovery] = facts.standby
    ? await ask(session, "SELECT min_recovery_end_timeline AS timeline FROM pg_control_recovery()", { signal })
    : [];
  return {
    stoppedAt: momentIn(row, "now"),
    endLsn: lsnIn(row, "lsn"),
    label: textIn(row, "labelfile"),
    endTimeline: recovery === undefined ? undefined : numberIn(recovery, "timeline"),
  };
}

/** Throws BackupError "Promoted" when the server was a standby and is not any more: its backup can never be finished. */
export async function refusePromotion(session: Session, facts: ServerFacts, signal: AbortSignal): Promise<void> {
  if (!facts.standby) return;
  const [row] = await ask(session, "SELECT pg_is_in_recovery() AS standby", { signal });
  if (textIn(row, "standby") === "t") return;
  throw new BackupError("Promoted", "the standby was promoted while it was backed up", {
    hint: "PostgreSQL cannot finish such a backup; start another one.",
  });
}

const nowColumn = `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now`;

async function ask(session: Session, query: string, options: Parameters<Session["query"]>[1]): Promise<readonly Row[]> {
  try {
    return await session.query(query, options);
  } catch (error) {
    if (!(error instanceof PostgresError)) throw error;
    throw databaseError(error);
  }
}

/** A failure of the session in the words of this layer. */
export const databaseError = (error: PostgresError): BackupError =>
  new BackupError("Database", error.message, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });

function textIn(row: Row | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== "string") throw new BackupError("Database", `postgresql gave no ${column}`);
  return value;
}

function numberIn(row: Row | undefined, column: string): number {
  const value = Number(textIn(row, column));
  if (!Number.isSafeInteger(value)) throw new BackupError("Database", `postgresql gave no number for ${column}`);
  return value;
}

function lsnIn(row: Row | undefined, column: string): bigint {
  const lsn = parseLsn(textIn(row, column));
  if (lsn === undefined) throw new BackupError("Database", `postgresql gave no lsn for ${column}`);
  return lsn;
}

function momentIn(row: Row | undefined, column: string): bigint {
  const micros = parseMoment(textIn(row, column));
  if (micros === undefined) throw new BackupError("Database", `postgresql gave no time for ${column}`);
  return micros;
}
