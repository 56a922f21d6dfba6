// Why a store of either kind could not be opened, or not be read. Pure.
import { StoreConfigError } from "#store/config.ts";
import { isStoreError } from "#store/errors.ts";
import { meaningOf, withHint, type Meaning } from "#store/reasons.ts";
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";

export interface Problem extends Meaning {
  /** Path of the field that it is about, where it is about one. */
  readonly field?: string;
}

export const outOfTime = (limitMs: number): Problem => ({
  kind: "unknown",
  reason: "StoreError",
  message: `the look at it was not through within ${Math.ceil(limitMs / 1000)} s`,
});

/** A refusal is proven; silence is not. */
export function problemOf(error: unknown): Problem {
  if (isStoreError(error)) return meaningOf(error);
  // What pgBackRest does not take, no later look takes either.
  if (isPgbackrestError(error, "Config"))
    return { kind: "refused", reason: "InvalidSpec", message: withHint(error.message, error.hint) };
  if (!(error instanceof StoreConfigError))
    return { kind: "unknown", reason: "StoreError", message: error instanceof Error ? error.message : String(error) };
  const place = error.field === undefined ? "" : `${error.field}: `;
  const message = withHint(`${place}${error.message}`, error.hint);
  const about = { message, ...(error.field !== undefined && { field: error.field }) };
  switch (error.kind) {
    case "Unavailable":
      return { kind: "unknown", reason: "Progressing", ...about };
    case "Unsupported":
      return { kind: "refused", reason: "InvalidSpec", ...about };
    case "StoreNotFound":
    case "SecretNotFound":
    case "SecretKeyMissing":
    case "InvalidSpec":
      return { kind: "refused", reason: error.kind, ...about };
  }
}
