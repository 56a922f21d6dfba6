// Turns what the S3 SDK throws into a StoreError. The SDK's own error is not kept as cause: for a wrong signature it holds
// the canonical request, and with it the session token.
import { StoreError, type StoreErrorKind } from "./errors.ts";

/** Error codes of S3 (Amazon S3 API Reference, "Error responses") and of MinIO. */
const kindsByCode: Readonly<Record<string, StoreErrorKind>> = {
  NoSuchKey: "NotFound",
  NoSuchVersion: "NotFound",
  PreconditionFailed: "AlreadyExists",
  AccessDenied: "AccessDenied",
  AllAccessDisabled: "AccessDenied",
  AccountProblem: "AccessDenied",
  AuthorizationHeaderMalformed: "RegionMismatch",
  AuthorizationQueryParametersError: "RegionMismatch",
  ExpiredToken: "AccessDenied",
  InvalidAccessKeyId: "AccessDenied",
  InvalidToken: "AccessDenied",
  InvalidTokenId: "AccessDenied",
  NotSignedUp: "AccessDenied",
  SignatureDoesNotMatch: "AccessDenied",
  TokenRefreshRequired: "AccessDenied",
  CredentialsProviderError: "AccessDenied",
  // What the pod's own role can fail with: no token file, or one that AWS STS refuses.
  ENOENT: "AccessDenied",
  EACCES: "AccessDenied",
  ExpiredTokenException: "AccessDenied",
  IDPRejectedClaim: "AccessDenied",
  InvalidClientTokenId: "AccessDenied",
  InvalidIdentityToken: "AccessDenied",
  NoSuchBucket: "NoSuchBucket",
  InvalidBucketName: "NoSuchBucket",
  IllegalLocationConstraintException: "RegionMismatch",
  IncorrectEndpoint: "RegionMismatch",
  PermanentRedirect: "RegionMismatch",
  TemporaryRedirect: "Unavailable",
  RequestTimeTooSkewed: "ClockSkew",
  RequestExpired: "ClockSkew",
  Throttling: "Throttled",
  ThrottlingException: "Throttled",
  TooManyRequests: "Throttled",
  SlowDown: "Throttled",
  SlowDownRead: "Throttled",
  SlowDownWrite: "Throttled",
  RequestLimitExceeded: "Throttled",
  BadDigest: "Corrupt",
  IncompleteBody: "Corrupt",
  InvalidDigest: "Corrupt",
  InvalidRange: "Corrupt",
  XAmzContentChecksumMismatch: "Corrupt",
  XAmzContentSHA256Mismatch: "Corrupt",
  NoSuchUpload: "Unavailable",
  ConditionalRequestConflict: "Unavailable",
  OperationAborted: "Unavailable",
  RequestTimeout: "EndpointUnreachable",
  InternalError: "Unavailable",
  ServiceUnavailable: "Unavailable",
  NotImplemented: "Unsupported",
};

/** Error codes of Node's sockets and resolver. */
const kindsBySystemCode: Readonly<Record<string, StoreErrorKind>> = {
  EAI_AGAIN: "DNSFailure",
  EAI_FAIL: "DNSFailure",
  EAI_NODATA: "DNSFailure",
  ENOTFOUND: "DNSFailure",
  ECONNABORTED: "EndpointUnreachable",
  ECONNREFUSED: "EndpointUnreachable",
  ECONNRESET: "EndpointUnreachable",
  EADDRNOTAVAIL: "EndpointUnreachable",
  EHOSTDOWN: "EndpointUnreachable",
  EHOSTUNREACH: "EndpointUnreachable",
  ENETDOWN: "EndpointUnreachable",
  ENETUNREACH: "EndpointUnreachable",
  EPIPE: "EndpointUnreachable",
  ETIMEDOUT: "EndpointUnreachable",
  ERR_STREAM_PREMATURE_CLOSE: "EndpointUnreachable",
};

/** X.509 verification (OpenSSL: x509_vfy, as Node names it), and what comes of TLS spoken to a plain port. */
const tlsCodes =
  /^(CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$)/;

const wording: Readonly<Record<StoreErrorKind, string>> = {
  NotFound: "no such object",
  AlreadyExists: "the object is there already",
  AccessDenied: "access denied",
  NoSuchBucket: "no such bucket",
  EndpointUnreachable: "the endpoint cannot be reached or does not answer",
  DNSFailure: "the endpoint's name cannot be resolved",
  TLSVerificationFailed: "tls cannot be established with the endpoint",
  RegionMismatch: "the bucket is in another region",
  ClockSkew: "the clocks of client and store differ too much",
  Throttled: "the store asks for fewer requests",
  Unavailable: "the store failed to answer",
  Corrupt: "the bytes do not match their length or checksum",
  Unsupported: "the store refuses the request",
};

const hints: Partial<Record<StoreErrorKind, string>> = {
  AccessDenied: "check the keys in the store's Secret and what they are allowed to do",
  NoSuchBucket: "create the bucket or correct destinationPath",
  TLSVerificationFailed: "check endpointURL, and endpointCA for a certificate of a private authority",
  RegionMismatch: "set s3Credentials.region to the region of the bucket",
  ClockSkew: "synchronise the clocks",
  DNSFailure: "check endpointURL",
};

const noLoginCodes: ReadonlySet<string> = new Set(["CredentialsProviderError", "ENOENT", "EACCES"]);
/** Codes that are about who asks, not about what is asked for. */
const loginCodes: ReadonlySet<string> = new Set([
  ...noLoginCodes,
  "ExpiredToken",
  "ExpiredTokenException",
  "IDPRejectedClaim",
  "InvalidAccessKeyId",
  "InvalidClientTokenId",
  "InvalidIdentityToken",
  "InvalidToken",
  "InvalidTokenId",
  "NotSignedUp",
  "SignatureDoesNotMatch",
  "TokenRefreshRequired",
]);
const noLoginHint = "the pod has no role to inherit: give its service account one, or use keys";

/** `doing` says what was attempted on what: "put s3://bucket/key". */
export function toStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  const seen = inspect(error);
  const kind = kindOf(seen);
  const code = seen.code === undefined ? [] : [seen.code];
  const status = seen.status === undefined ? [] : [`HTTP ${seen.status}`];
  const detail = [...code, ...status].join(", ");
  const told = kind === "Unavailable" || kind === "Unsupported" ? `: ${seen.message.slice(0, 200)}` : "";
  const hint = noLoginCodes.has(seen.code ?? "") ? noLoginHint : hints[kind];
  return new StoreError(kind, `${doing}: ${wording[kind]}${detail && ` (${detail})`}${told}`, {
    cause: withoutSecrets(error, seen),
    loginRefused: loginCodes.has(seen.code ?? ""),
    ...(hint !== undefined && { hint }),
  });
}

/** Whether the provider said that it does not know what it was asked for, such as a conditional put. */
export const isNotImplemented = (error: unknown): boolean => {
  const { code, status } = inspect(error);
  return code === "NotImplemented" || status === 501;
};

/** Whether an upload is not, or no longer, under way at the provider. */
export const isNoSuchUpload = (error: unknown): boolean => inspect(error).code === "NoSuchUpload";

/** Whether the answer was one of HTTP 4xx, whose reason a HEAD request does not get to know. */
export const isRefusal = (error: unknown): boolean => {
  const { status } = inspect(error);
  return status !== undefined && status >= 300 && status < 500;
};

interface Seen {
  /** S3's error code, or that of a socket. */
  readonly code: string | undefined;
  readonly status: number | undefined;
  readonly message: string;
}

interface SdkError extends Error {
  readonly code?: unknown;
  readonly Code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

function inspect(error: unknown): Seen {
  if (!(error instanceof Error)) return { code: undefined, status: undefined, message: String(error) };
  const { code, Code, $metadata, name, message }: SdkError = error;
  const status = $metadata?.httpStatusCode;
  const generic = name === "Error" || name === "AggregateError" || name === "Unknown" || name === "UnknownError";
  const found = typeof code === "string" ? code : typeof Code === "string" ? Code : generic ? undefined : name;
  return { code: found, status, message };
}

function kindOf({ code, status }: Seen): StoreErrorKind {
  if (code !== undefined) {
    const known = kindsByCode[code] ?? kindsBySystemCode[code];
    if (known !== undefined) return known;
    if (tlsCodes.test(code)) return "TLSVerificationFailed";
    if (code === "TimeoutError") return "EndpointUnreachable";
  }
  return status === undefined ? "Unavailable" : kindOfStatus(status);
}

/** Where the code says nothing: answers of proxies, and of HEAD, which have no body. */
function kindOfStatus(status: number): StoreErrorKind {
  if (status === 301 || status === 307) return "RegionMismatch";
  if (status === 401 || status === 403 || status === 407) return "AccessDenied";
  if (status === 404) return "NotFound";
  if (status === 408) return "EndpointUnreachable";
  if (status === 412) return "AlreadyExists";
  if (status === 416) return "Corrupt";
  if (status === 429) return "Throttled";
  if (status === 501 || (status >= 400 && status < 500 && status !== 409)) return "Unsupported";
  return "Unavailable";
}

/** Socket errors are kept as they are; of an answer only what it was called. */
function withoutSecrets(error: unknown, { code, status, message }: Seen): unknown {
  if (error instanceof Error && status === undefined && kindsBySystemCode[code ?? ""] !== undefined) return error;
  const name = code ?? "answer";
  return new Error(status === undefined ? `${name}: ${message}` : `${name}, HTTP ${status}: ${message}`);
}
