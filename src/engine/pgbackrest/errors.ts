// Failures of pgBackRest in the words of backups and restores.
import { PostgresError } from "#postgres/connection.ts";
import { isPgbackrestError, type PgbackrestError, type PgbackrestErrorKind } from "#repository/pgbackrest/errors.ts";
import { isStoreError } from "#store/errors.ts";
import { BackupError, type BackupErrorKind } from "../backup/errors.ts";
import { databaseError } from "../backup/server.ts";
import { RestoreError, type RestoreErrorKind } from "../restore/errors.ts";

const backupKinds: Partial<Readonly<Record<PgbackrestErrorKind, BackupErrorKind>>> = {
  Config: "Unsupported",
  Identity: "ForeignArchive",
  Cancelled: "Cancelled",
};

const restoreKinds: Partial<Readonly<Record<PgbackrestErrorKind, RestoreErrorKind>>> = {
  Config: "Unsupported",
  NoBackup: "NotUsable",
  Damaged: "Corrupt",
  Cancelled: "Cancelled",
};

/** pgBackRest's numbers for the database not answering, or refusing a statement. */
const databaseCodes: ReadonlySet<number | undefined> = new Set([56, 57]);

/** What is none of the known kinds is a fault of ours and stays as it is. */
export function toBackupError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return cancelledBackup(signal.reason);
  if (error instanceof PostgresError) return databaseError(error);
  if (isStoreError(error))
    return new BackupError("Store", error.message, { cause: error, ...(error.hint && { hint: error.hint }) });
  if (!isPgbackrestError(error)) return error;
  const kind = databaseCodes.has(error.code) ? "Database" : (backupKinds[error.kind] ?? "Store");
  return new BackupError(kind, error.message, { cause: error, ...hintOf(error) });
}

export function toRestoreError(error: unknown, label: string, signal: AbortSignal): unknown {
  const doing = `restoring backup ${label}`;
  if (signal.aborted) return new RestoreError("Cancelled", `${doing} was cancelled`, { cause: signal.reason });
  if (isStoreError(error))
    return new RestoreError("Store", `${doing} failed: ${error.message}`, { cause: error, hint: error.hint });
  if (!isPgbackrestError(error)) return error;
  const kind = restoreKinds[error.kind] ?? "Store";
  return new RestoreError(kind, `${doing} failed: ${error.message}`, { cause: error, ...hintOf(error) });
}

function hintOf({ kind, hint }: PgbackrestError): { readonly hint?: string } {
  if (kind === "NoStanza") return { hint: "the stanza is made when the first WAL is archived: look at the archiving" };
  return hint === undefined ? {} : { hint };
}

const cancelledBackup = (reason: unknown): BackupError => {
  const isDeadline = reason instanceof Error && reason.name === "TimeoutError";
  return new BackupError("Cancelled", isDeadline ? "the backup passed its deadline" : "the backup was cancelled", {
    cause: reason,
  });
};
