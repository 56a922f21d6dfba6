// The facts of an Archive while only some of its repositories can be read, and the others never were by this process. Pure.
import type { PlannedArchive } from "../archive/plan.ts";

/** What a look at some of the repositories adds to what was known of all. */
export function grownFacts(before: PlannedArchive["facts"], now: PlannedArchive["facts"]): PlannedArchive["facts"] {
  const { lastWal = before.lastWal, readyFiles } = now;
  const windowTo = later(before.windowTo, now.windowTo);
  return {
    ...before,
    ...(windowTo !== undefined && { windowTo }),
    ...(lastWal && { lastWal }),
    ...(readyFiles !== undefined && { readyFiles }),
  };
}

export const later = (...times: readonly (string | undefined)[]): string | undefined =>
  times
    .flatMap((time) => time ?? [])
    .toSorted()
    .at(-1);
