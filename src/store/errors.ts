// The one error class of the storage port. Drivers translate their SDK's errors to a closed kind; nothing above a
// driver looks at provider messages. The kinds are the reasons that conditions show (src/api/reasons.ts).

export const storeErrorKinds = [
  "NotFound", // the key is proven absent
  "AlreadyExists", // conditional put on a taken key
  "AccessDenied", // wrong key, expired token, missing permission
  "NoSuchBucket",
  "EndpointUnreachable", // connection refused, reset, timed out
  "DNSFailure",
  "TLSVerificationFailed",
  "RegionMismatch",
  "ClockSkew",
  "Throttled",
  "Unavailable", // the provider answered with a server error
  "Corrupt", // what was read is not what was stored: length or checksum
  "Unsupported", // the provider lacks a feature that was asked for
] as const;

export type StoreErrorKind = (typeof storeErrorKinds)[number];

/** Kinds that time alone may mend: worth another try with backoff. */
const transientKinds: ReadonlySet<StoreErrorKind> = new Set([
  "EndpointUnreachable",
  "DNSFailure",
  "Throttled",
  "Unavailable",
  "Corrupt",
]);

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly kind: StoreErrorKind;
  readonly hint: string | undefined;
  /** Whether the provider said that it does not accept the login at all; a missing permission is "AccessDenied" alone. */
  readonly loginRefused: boolean;

  constructor(
    kind: StoreErrorKind,
    message: string,
    options: { cause?: unknown; hint?: string; loginRefused?: boolean } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
    this.loginRefused = options.loginRefused ?? false;
  }

  get transient(): boolean {
    return transientKinds.has(this.kind);
  }
}

export const isStoreError = (error: unknown, kind?: StoreErrorKind): error is StoreError =>
  error instanceof StoreError && (kind === undefined || error.kind === kind);
