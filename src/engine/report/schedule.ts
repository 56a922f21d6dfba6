// When a sidecar writes its entry of the InstanceReport: on change, at most every ten seconds, else once a minute as a
// sign of life; at once when a backup waits for the operator. Pure.

export type Entry = Readonly<Record<string, unknown>>;

export interface LastWrite {
  readonly entry: Entry;
  readonly atMs: number;
}

const changeIntervalMs = 10_000;
const heartbeatMs = 60_000;

/** Values that move all the time: alone they are worth no write before the heartbeat. */
const restless: ReadonlySet<string> = new Set(["reportedAt", "currentLSN", "replayedLSN", "freeBytes", "walBytes"]);

export function isReportDue(next: Entry, last: LastWrite | undefined, nowMs: number): boolean {
  if (last === undefined) return true;
  const ageMs = nowMs - last.atMs;
  if (ageMs >= heartbeatMs) return true;
  if (
    waitingSegment(next) !== waitingSegment(last.entry) ||
    (next["backup"] === undefined) !== (last.entry["backup"] === undefined)
  )
    return true;
  return ageMs >= changeIntervalMs && steady(next) !== steady(last.entry);
}

const waitingSegment = (entry: Entry): unknown =>
  (entry["backup"] as { waitingForSegment?: string } | undefined)?.waitingForSegment;

const steady = (entry: Entry): string => JSON.stringify(Object.entries(entry).filter(([key]) => !restless.has(key)));
