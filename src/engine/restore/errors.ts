// Why a restore failed. The kinds are what callers tell apart; the message and hint are for the user.

export const restoreErrorKinds = [
  "NotUsable", // the backup is not complete, or its record lacks what restore needs
  "Unsupported", // tablespaces, a compression or a kind of member that restore cannot do yet
  "WalMissing", // WAL without which the backup cannot become consistent is not in the archive
  "NotEmpty", // the target directory holds something that this restore did not make
  "NoSpace", // the target's file system is too small
  "DataDirectory", // a file or directory of the target could not be written
  "Corrupt", // an object of the backup is not what a backup writes
  "Store", // the object store failed; the cause is a StoreError
  "Cancelled",
] as const;
export type RestoreErrorKind = (typeof restoreErrorKinds)[number];

export class RestoreError extends Error {
  override readonly name = "RestoreError";
  readonly kind: RestoreErrorKind;
  readonly hint: string | undefined;

  constructor(kind: RestoreErrorKind, message: string, options: { cause?: unknown; hint?: string | undefined } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
  }
}
