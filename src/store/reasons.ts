// What a store's error means to a condition: by which reason, and whether it proves that the store cannot be used or
// only that this could not be found out. Pure.
import type { Reason } from "#api/conditions.ts";
import type { StoreError } from "./errors.ts";

export interface Meaning {
  /** "refused" is proven; "unknown" may be over with the next try. */
  readonly kind: "refused" | "unknown";
  readonly reason: Reason;
  /** What failed and, where it is known, what mends it. */
  readonly message: string;
}

export function meaningOf(error: StoreError): Meaning {
  const message = withHint(error.message, error.hint);
  switch (error.kind) {
    case "AccessDenied":
    case "NoSuchBucket":
    case "TLSVerificationFailed":
    case "RegionMismatch":
    case "ClockSkew":
      return { kind: "refused", reason: error.kind, message };
    case "Unsupported":
    case "AlreadyExists":
    case "NotFound":
      return { kind: "refused", reason: "StoreError", message };
    case "EndpointUnreachable":
    case "DNSFailure":
    case "Throttled":
      return { kind: "unknown", reason: error.kind, message };
    case "Unavailable":
    case "Corrupt":
      return { kind: "unknown", reason: "StoreError", message };
  }
}

export const withHint = (message: string, hint: string | undefined): string =>
  hint === undefined ? message : `${message} (${hint})`;
