// When the primary's pg_wal is full while WAL cannot leave it: from two of its sidecar's reports. Pure. In few words that
// change seldom, since they stand in a condition's message.
import type { InstanceEntry } from "#engine/report/reporter.ts";
import { parseLsn } from "#postgres/lsn.ts";

/** Where the WAL was at a moment. */
export interface WalSample {
  readonly atMs: number;
  readonly lsn: bigint;
}

/** Less than this between two samples tells no rate. */
const spanLeastMs = 10_000;
/** An older one tells of another time of the day. */
const spanMostMs = 3_600_000;

export function sampleOf(entry: InstanceEntry | undefined): WalSample | undefined {
  const atMs = Date.parse(entry?.reportedAt ?? "");
  const lsn = entry?.currentLSN === undefined ? undefined : parseLsn(entry.currentLSN);
  return Number.isNaN(atMs) || lsn === undefined ? undefined : { atMs, lsn };
}

/** The sample to compare with next time: the old one until it is old enough to tell a rate. */
export function keptSample(before: WalSample | undefined, now: WalSample | undefined): WalSample | undefined {
  if (before === undefined || now === undefined) return now ?? before;
  const isUsable = now.lsn >= before.lsn && now.atMs - before.atMs <= spanMostMs;
  return isUsable ? before : now;
}

/** Undefined when it cannot be told: no free space is reported, or nothing is written. */
export function forecast(before: WalSample | undefined, entry: InstanceEntry | undefined): string | undefined {
  const now = sampleOf(entry);
  const free = entry?.freeBytes;
  if (before === undefined || now === undefined || free === undefined) return undefined;
  const spanMs = now.atMs - before.atMs;
  const written = Number(now.lsn - before.lsn);
  if (spanMs < spanLeastMs || written <= 0) return undefined;
  return `pg_wal is full ${inWords((free / written) * spanMs)} at the current rate`;
}

const hourMs = 3_600_000;

/** Coarse on purpose. */
function inWords(ms: number): string {
  const hours = ms / hourMs;
  if (hours < 0.5) return "within half an hour";
  if (hours < 1.5) return "in about an hour";
  if (hours < 12) return `in about ${Math.round(hours)} h`;
  if (hours < 36) return "in about a day";
  const days = Math.round(hours / 24);
  return days <= 7 ? `in about ${days} days` : "in more than a week";
}
