// The one error class of the WAL path. The gRPC face maps the kinds to status codes; conditions and reports show kind and
// message. A StoreError that caused it stays reachable as `cause`, so that a caller can refresh credentials.
import { isCodecError } from "#codec/errors.ts";
import { RepositoryError } from "#repository/errors.ts";
import { PgbackrestError, type PgbackrestErrorKind } from "#repository/pgbackrest/errors.ts";
import { StoreError } from "#store/errors.ts";

export const archiveErrorKinds = [
  "InvalidName", // no name that PostgreSQL gives to a WAL file
  "LocalFile", // a file or directory on this side cannot be read or written, or is not whole
  "Conflict", // the archive holds this name with other content
  "ForeignArchive", // the archive belongs to another database system
  "ExpectedEmptyArchive", // a new cluster was pointed at an archive that already holds WAL
  "NotFound", // proven: the archive has no such file
  "Corrupt", // the archive's file is damaged, or not of the size or digest it should have
  "StoreRefused", // the store answers, but its settings or credentials need a person
  "Unavailable", // time alone may mend it
] as const;

export type ArchiveErrorKind = (typeof archiveErrorKinds)[number];

export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
  readonly kind: ArchiveErrorKind;
  readonly hint: string | undefined;

  constructor(kind: ArchiveErrorKind, message: string, options: { cause?: unknown; hint?: string | undefined } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
  }
}

export const isArchiveError = (error: unknown, kind?: ArchiveErrorKind): error is ArchiveError =>
  error instanceof ArchiveError && (kind === undefined || error.kind === kind);

const pgbackrestKinds: Readonly<Record<PgbackrestErrorKind, ArchiveErrorKind>> = {
  Config: "StoreRefused",
  Busy: "Unavailable",
  Identity: "ForeignArchive",
  Unreachable: "Unavailable",
  Denied: "StoreRefused",
  NoStanza: "StoreRefused",
  Duplicate: "Conflict",
  Damaged: "Corrupt",
  NoBackup: "StoreRefused",
  Timeout: "Unavailable",
  Cancelled: "Unavailable",
  Failed: "Unavailable",
};

/** Errors of files and directories of this machine, among the numbers of pgBackRest's errors. */
const localFileCodes: ReadonlySet<number> = new Set([41, 42, 47, 48, 53, 54, 59, 64, 73, 74, 88]);

/** What failed, in the words of this layer: `doing` says what was attempted on what ("storing wal 00… in s3://…"). */
export function toArchiveError(error: unknown, doing: string): ArchiveError {
  if (error instanceof ArchiveError) return error;
  if (error instanceof StoreError) {
    const kind = error.transient ? "Unavailable" : "StoreRefused";
    return new ArchiveError(kind, `${doing} failed: ${error.message}`, { cause: error, hint: error.hint });
  }
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof PgbackrestError) {
    const isLocal = error.kind === "Failed" && error.code !== undefined && localFileCodes.has(error.code);
    const kind = isLocal ? "LocalFile" : pgbackrestKinds[error.kind];
    return new ArchiveError(kind, `${doing} failed: ${message}`, { cause: error, hint: error.hint });
  }
  if (error instanceof RepositoryError) {
    return new ArchiveError("StoreRefused", `${doing} failed: ${message}`, { cause: error, hint: error.hint });
  }
  if (isCodecError(error)) {
    const kind = error.kind === "Corrupt" ? "Corrupt" : "StoreRefused";
    return new ArchiveError(kind, `${doing} failed: ${message}`, { cause: error, hint: error.hint });
  }
  if (isTimeout(error)) return new ArchiveError("Unavailable", `${doing} took too long`, { cause: error });
  return new ArchiveError(isFileError(error) ? "LocalFile" : "Unavailable", `${doing} failed: ${message}`, {
    cause: error,
  });
}

/** The time for an operation is over; `lastError` is what its last try met. */
export function outOfTime(what: string, lastError: unknown): ArchiveError {
  const why = isTimeout(lastError) || !(lastError instanceof Error) ? "the store does not answer" : lastError.message;
  const hint = lastError instanceof StoreError || lastError instanceof PgbackrestError ? lastError.hint : undefined;
  return new ArchiveError("Unavailable", `${what}: ${why}`, { cause: lastError, hint });
}

/** Whether another try of the same may succeed by itself. */
export const isTransient = (error: unknown): boolean =>
  error instanceof StoreError ? error.transient : isArchiveError(error, "Unavailable");

export const isTimeout = (error: unknown): error is Error => error instanceof Error && error.name === "TimeoutError";

const isFileError = (error: unknown): boolean =>
  error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
