// The parts that every status of a store or an Archive has, and which of them wait until something else changes. Pure.
import { isDeepStrictEqual } from "node:util";
import type { Check } from "#store/check.ts";
import { setConditions } from "#kube/conditions.ts";
import type { Condition, KubeObject } from "#kube/object.ts";
import { timestamp } from "#kube/timestamp.ts";
import type { Verdict } from "../verdict.ts";

/** A look that changed nothing but its time is told this often. */
const refreshMs = 600_000;

/** The conditions, each with the generation that it is about. */
export function statusOf(
  object: KubeObject & { readonly status?: { conditions?: readonly unknown[] } },
  verdicts: readonly Verdict[],
  now: Date,
) {
  const observedGeneration = object.metadata.generation ?? 1;
  const stated = verdicts.map((verdict) => ({ ...verdict, observedGeneration }));
  const previous = (object.status?.conditions ?? []) as readonly Condition[];
  return { observedGeneration, conditions: setConditions(previous, stated, timestamp(now)) };
}

type Measured = { readonly checks?: readonly Omit<Check, "name" | "reason">[] };

/**
 * Leaves the shown time of the last look and the shown latencies as they are while nothing else has changed, so that idle
 * stores cost no writes.
 */
export function keepMeasurements<T extends object & Measured>(
  shown: (object & Measured) | undefined,
  next: T,
  timeField: keyof T & string,
  now: Date,
): T {
  const before = (shown as Readonly<Record<string, unknown>> | undefined)?.[timeField];
  if (typeof before !== "string" || now.getTime() - Date.parse(before) > refreshMs) return next;
  const checks = next.checks?.map((check, index) => {
    const latencyMs = shown?.checks?.[index]?.latencyMs;
    return check.latencyMs === undefined || latencyMs === undefined ? check : { ...check, latencyMs };
  });
  const kept = { ...next, [timeField]: before, ...(checks && { checks }) };
  return isDeepStrictEqual(JSON.parse(JSON.stringify(kept)), shown) ? kept : next;
}
