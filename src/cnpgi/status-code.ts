// gRPC status codes and the one place where an error becomes a status. CNPG shows the message to users (condition
// ContinuousArchiving, Backup.status.error, Cluster.status.phaseReason), so it is always one line.
import { CnpgError, type CnpgErrorKind } from "#cnpg/errors.ts";
import { ArchiveError, type ArchiveErrorKind } from "#engine/archive/errors.ts";
import { BackupError, type BackupErrorKind } from "#engine/backup/errors.ts";
import { RestoreError, type RestoreErrorKind } from "#engine/restore/errors.ts";
import { KubeError, type KubeErrorKind } from "#kube/errors.ts";
import { PgbackrestError, type PgbackrestErrorKind } from "#repository/pgbackrest/errors.ts";
import { StoreConfigError, type StoreConfigErrorKind } from "#store/config.ts";
import { StoreError, type StoreErrorKind } from "#store/errors.ts";

/** gRPC: doc/statuscodes.md. */
export const rpcCodes = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type RpcCode = Exclude<keyof typeof rpcCodes, "OK">;

/** Longest message sent, in UTF-16 units: it travels in a header, and percent-encoding can make it nine times as long. */
const maxMessageLength = 1_000;

/** What a handler throws to answer with a code of its choice. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: RpcCode;

  constructor(code: RpcCode, message: string, options: { cause?: unknown } = {}) {
    super(oneLine(message), { cause: options.cause });
    this.code = code;
  }
}

// A missing key is not NOT_FOUND: only an engine that has looked for every form of a file may say that it is not there.
const storeCodes: Readonly<Record<StoreErrorKind, RpcCode>> = {
  NotFound: "FAILED_PRECONDITION",
  AlreadyExists: "ALREADY_EXISTS",
  AccessDenied: "FAILED_PRECONDITION",
  NoSuchBucket: "FAILED_PRECONDITION",
  EndpointUnreachable: "UNAVAILABLE",
  DNSFailure: "UNAVAILABLE",
  TLSVerificationFailed: "FAILED_PRECONDITION",
  RegionMismatch: "FAILED_PRECONDITION",
  ClockSkew: "FAILED_PRECONDITION",
  Throttled: "UNAVAILABLE",
  Unavailable: "UNAVAILABLE",
  Corrupt: "UNAVAILABLE",
  Unsupported: "FAILED_PRECONDITION",
};

const storeConfigCodes: Readonly<Record<StoreConfigErrorKind, RpcCode>> = {
  StoreNotFound: "FAILED_PRECONDITION",
  SecretNotFound: "FAILED_PRECONDITION",
  SecretKeyMissing: "FAILED_PRECONDITION",
  InvalidSpec: "FAILED_PRECONDITION",
  Unsupported: "FAILED_PRECONDITION",
  Unavailable: "UNAVAILABLE",
};

const kubeCodes: Readonly<Record<KubeErrorKind, RpcCode>> = {
  NotFound: "FAILED_PRECONDITION",
  AlreadyExists: "UNAVAILABLE",
  Conflict: "UNAVAILABLE",
  Forbidden: "FAILED_PRECONDITION",
  Unauthorized: "FAILED_PRECONDITION",
  Invalid: "INTERNAL",
  Expired: "UNAVAILABLE",
  Throttled: "UNAVAILABLE",
  Unavailable: "UNAVAILABLE",
};

const archiveCodes: Readonly<Record<ArchiveErrorKind, RpcCode>> = {
  InvalidName: "INVALID_ARGUMENT",
  LocalFile: "INTERNAL",
  Conflict: "FAILED_PRECONDITION",
  ForeignArchive: "FAILED_PRECONDITION",
  ExpectedEmptyArchive: "FAILED_PRECONDITION",
  NotFound: "NOT_FOUND",
  Corrupt: "DATA_LOSS",
  StoreRefused: "FAILED_PRECONDITION",
  Unavailable: "UNAVAILABLE",
};

const backupCodes: Readonly<Record<BackupErrorKind, RpcCode>> = {
  Unsupported: "FAILED_PRECONDITION",
  Database: "UNAVAILABLE",
  Promoted: "ABORTED",
  DataDirectory: "INTERNAL",
  Store: "UNAVAILABLE",
  ForeignArchive: "FAILED_PRECONDITION",
  WalMissing: "DATA_LOSS",
  Cancelled: "CANCELLED",
};

const restoreCodes: Readonly<Record<RestoreErrorKind, RpcCode>> = {
  NotUsable: "FAILED_PRECONDITION",
  Unsupported: "FAILED_PRECONDITION",
  WalMissing: "FAILED_PRECONDITION",
  NotEmpty: "FAILED_PRECONDITION",
  NoSpace: "RESOURCE_EXHAUSTED",
  DataDirectory: "INTERNAL",
  Corrupt: "DATA_LOSS",
  Store: "UNAVAILABLE",
  Cancelled: "CANCELLED",
};

// As in the store's: an engine alone may say that something is not there.
const pgbackrestCodes: Readonly<Record<PgbackrestErrorKind, RpcCode>> = {
  Config: "FAILED_PRECONDITION",
  Busy: "UNAVAILABLE",
  Identity: "FAILED_PRECONDITION",
  Unreachable: "UNAVAILABLE",
  Denied: "FAILED_PRECONDITION",
  NoStanza: "FAILED_PRECONDITION",
  Duplicate: "FAILED_PRECONDITION",
  Damaged: "DATA_LOSS",
  NoBackup: "FAILED_PRECONDITION",
  Timeout: "UNAVAILABLE",
  Cancelled: "CANCELLED",
  Failed: "UNAVAILABLE",
};

const cnpgCodes: Readonly<Record<CnpgErrorKind, RpcCode>> = { Malformed: "INVALID_ARGUMENT" };

/** The status for anything thrown by a handler; what is not known to carry a meaning is INTERNAL. */
export function statusOf(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (!(error instanceof Error)) return new RpcError("INTERNAL", "a handler threw something that is not an error");
  // Node's own functions throw AbortError with the signal's reason as cause.
  if (error.name === "AbortError" && error.cause instanceof RpcError) return error.cause;
  const message = error.message === "" ? error.name : error.message;
  const hint = "hint" in error && typeof error.hint === "string" ? ` (${error.hint})` : "";
  return new RpcError(codeOf(error), `${message}${hint}`, { cause: error });
}

function codeOf(error: Error): RpcCode {
  if (error instanceof ArchiveError) return archiveCodes[error.kind];
  if (error instanceof BackupError) return backupCodes[error.kind];
  if (error instanceof RestoreError) return restoreCodes[error.kind];
  if (error instanceof StoreError) return storeCodes[error.kind];
  if (error instanceof StoreConfigError) return storeConfigCodes[error.kind];
  if (error instanceof PgbackrestError) return pgbackrestCodes[error.kind];
  if (error instanceof KubeError) return kubeCodes[error.kind];
  if (error instanceof CnpgError) return cnpgCodes[error.kind];
  if (error.name === "AbortError") return "CANCELLED";
  if (error.name === "TimeoutError") return "DEADLINE_EXCEEDED";
  return "INTERNAL";
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s*[\r\n]+\s*/g, " ").trim();
  return line.length <= maxMessageLength ? line : `${line.slice(0, maxMessageLength - 1).toWellFormed()}…`;
}
