// Why a base backup failed. The kinds are what callers tell apart; the message and hint are for the user.

export const backupErrorKinds = [
  "Unsupported", // the cluster or a setting needs something that backups cannot do yet
  "Database", // PostgreSQL could not be reached or refused a step
  "Promoted", // the standby became a primary while it was copied
  "DataDirectory", // a file of the data directory could not be read
  "Store", // the object store failed; the cause is a StoreError
  "ForeignArchive", // the archive belongs to another PostgreSQL system
  "WalMissing", // the data is stored, but WAL that it needs did not arrive in time
  "Cancelled",
] as const;
export type BackupErrorKind = (typeof backupErrorKinds)[number];

export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly kind: BackupErrorKind;
  readonly hint: string | undefined;

  constructor(kind: BackupErrorKind, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
  }
}
