// The checks of a preflight: their names in the order of the report, and how one is stated. Pure.
import type { Reason } from "#api/conditions.ts";
import { isStoreError, StoreError } from "./errors.ts";
import { meaningOf } from "./reasons.ts";

export const checkNames = [
  "Resolve",
  "Connect",
  "TLS",
  "ClockSkew",
  "Region",
  "Addressing",
  "Login",
  "List",
  "Put",
  "Multipart",
  "Get",
  "Delete",
  "Versioning",
  "ObjectLock",
] as const;
export type CheckName = (typeof checkNames)[number];

/** A Warning works and deserves a look. Unknown and NotRun say nothing good. */
export type CheckStatus = "Passed" | "Warning" | "Failed" | "Unknown" | "NotRun";

export interface Check {
  readonly name: CheckName;
  readonly status: CheckStatus;
  readonly reason: Reason;
  readonly message: string;
  readonly latencyMs?: number;
}

/** What a request came to, and how long that took. */
export type Outcome<T> =
  | { readonly value: T; readonly error?: undefined; readonly latencyMs: number }
  | { readonly error: StoreError; readonly latencyMs: number };

/** Makes the request once; only the abort of `caller` ends this with an error, everything else is an outcome. */
export async function attempt<T>(caller: AbortSignal, doing: string, request: () => Promise<T>): Promise<Outcome<T>> {
  const startedAt = performance.now();
  const latencyMs = (): number => Math.round(performance.now() - startedAt);
  try {
    return { value: await request(), latencyMs: latencyMs() };
  } catch (error) {
    caller.throwIfAborted();
    return { error: asStoreError(error, doing), latencyMs: latencyMs() };
  }
}

function asStoreError(error: unknown, doing: string): StoreError {
  if (isStoreError(error)) return error;
  if (error instanceof Error && error.name === "TimeoutError")
    return new StoreError("EndpointUnreachable", `${doing}: no answer within the time of a check`, { cause: error });
  return new StoreError("Unavailable", `${doing}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}

interface Said {
  readonly status: CheckStatus;
  readonly reason: Reason;
  readonly message: string;
}

export const stated = (name: CheckName, said: Said, outcome?: Outcome<unknown>): Check => ({
  name,
  ...said,
  ...(outcome && { latencyMs: outcome.latencyMs }),
});

export const passed = (name: CheckName, message: string, outcome?: Outcome<unknown>): Check =>
  stated(name, { status: "Passed", reason: "Succeeded", message }, outcome);

/** Failed when the store's answer proves it, else Unknown. */
export function failed(name: CheckName, outcome: Outcome<unknown> & { readonly error: StoreError }): Check {
  const { kind, reason, message } = meaningOf(outcome.error);
  return stated(name, { status: kind === "refused" ? "Failed" : "Unknown", reason, message }, outcome);
}

export const notRun = (name: CheckName, why: string): Check =>
  stated(name, { status: "NotRun", reason: "NotChecked", message: `not run: ${why}` });

/** Not run because another one did not pass. */
export const notRunAfter = (name: CheckName, before: CheckName): Check => notRun(name, `${before} did not pass`);

export const isGood = ({ status }: Check): boolean => status === "Passed" || status === "Warning";

export const inOrder = (checks: readonly Check[]): readonly Check[] =>
  checks.toSorted((a, b) => checkNames.indexOf(a.name) - checkNames.indexOf(b.name));
