// gRPC status codes and the one place where an error becomes a status. CNPG shows the message to users (condition
// ContinuousArchiving, Backup.status.error, Cluster.status.phaseReason), so it is always one line.
import { CnpgError, type CnpgErrorKind } from "#cnpg/errors.ts";
import { KubeError, type KubeErrorKind } from "#kube/errors.ts";
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

const cnpgCodes: Readonly<Record<CnpgErrorKind, RpcCode>> = { Malformed: "INVALID_ARGUMENT" };

/** The status for anything thrown by a handler; what is not known to carry a meaning is INTERNAL. */
export function statusOf(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof StoreError) return new RpcError(storeCodes[error.kind], withHint(error), { cause: error });
  if (error instanceof KubeError) return new RpcError(kubeCodes[error.kind], error.message, { cause: error });
  if (error instanceof CnpgError) return new RpcError(cnpgCodes[error.kind], error.message, { cause: error });
  if (!(error instanceof Error)) return new RpcError("INTERNAL", "a handler threw something that is not an error");
  // Node's own functions throw AbortError with the signal's reason as cause.
  if (error.name === "AbortError") {
    return error.cause instanceof RpcError ? error.cause : new RpcError("CANCELLED", error.message, { cause: error });
  }
  if (error.name === "TimeoutError") return new RpcError("DEADLINE_EXCEEDED", error.message, { cause: error });
  return new RpcError("INTERNAL", error.message === "" ? error.name : error.message, { cause: error });
}

const withHint = (error: StoreError): string =>
  error.hint === undefined ? error.message : `${error.message} (${error.hint})`;

function oneLine(text: string): string {
  const line = text.replaceAll(/\s*[\r\n]+\s*/g, " ").trim();
  return line.length <= maxMessageLength ? line : `${line.slice(0, maxMessageLength - 1).toWellFormed()}…`;
}
