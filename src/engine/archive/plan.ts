// What the WAL path does ahead of PostgreSQL's requests: which ready files to store next, which segments to fetch next.
// Decisions over names only; the archiver and the prefetcher carry them out.
import { nextSegment, type SegmentName } from "#postgres/segment.ts";

/**
 * How many files may be stored or on their way beyond the requested one, for each parallel upload. Two rounds keep the
 * uploads busy while PostgreSQL collects its answers one by one; more would only grow what a crash makes us send again.
 */
const aheadPerUpload = 3;

/**
 * The order in which PostgreSQL asks: history files first, then names in byte order, so that ".backup" and ".partial"
 * come right after their segment (PostgreSQL: src/backend/postmaster/pgarch.c, ready_file_comparator).
 */
export function compareArchiveOrder(a: string, b: string): number {
  const [aHistory, bHistory] = [isHistory(a), isHistory(b)];
  if (aHistory !== bHistory) return aHistory ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether PostgreSQL, which now asks for `requested`, has passed `name` and will not come back to it by itself. */
export const isBehind = (name: string, requested: string): boolean =>
  !isHistory(name) && compareArchiveOrder(name, requested) < 0;

export interface LookAheadState {
  /** The file that PostgreSQL asked for last. */
  readonly requested: string;
  /** Names waiting for the archiver, in archive order. */
  readonly ready: readonly string[];
  /** Names that need no upload now: stored, on their way, acknowledged, or refused until PostgreSQL asks. */
  readonly isSettled: (name: string) => boolean;
  /** Uploads under way, the requested file's included. */
  readonly inFlight: number;
  /** Files beyond the requested one that are stored and not asked for yet, or under way. */
  readonly ahead: number;
  readonly maxParallel: number;
}

export interface LookAheadPlan {
  /** Uploads to start now, in this order. */
  readonly start: readonly string[];
  /** What stays to be considered at the next call. */
  readonly ready: readonly string[];
  /** How many more uploads could have been started, had there been names. */
  readonly wanting: number;
}

/** Fills the free upload slots with the next ready files after the requested one. */
export function planLookAhead(state: LookAheadState): LookAheadPlan {
  const { requested, ready, isSettled, inFlight, ahead, maxParallel } = state;
  const room = Math.max(0, Math.min(maxParallel - inFlight, aheadPerUpload * maxParallel - ahead));
  const start: string[] = [];
  let position = 0;
  while (position < ready.length) {
    const name = ready[position] ?? "";
    const pointless = name === requested || isBehind(name, requested) || isSettled(name);
    if (!pointless && start.length === room) break;
    if (!pointless) start.push(name);
    position++;
  }
  return { start, ready: ready.slice(position), wanting: room - start.length };
}

export interface PrefetchState {
  /** The segment that was served last. */
  readonly served: SegmentName;
  /** Segments in the spool or on their way into it. */
  readonly held: readonly string[];
  readonly segmentBytes: number;
  /** How many segments to hold ahead. */
  readonly depth: number;
  /** The most bytes that the spool may hold. */
  readonly spoolBytesMax: number;
}

export interface PrefetchPlan {
  /** Downloads to start, nearest first. */
  readonly start: readonly SegmentName[];
  /** What the spool holds that the next requests will not ask for. */
  readonly drop: readonly string[];
}

/** The window of segments right after the served one, on its timeline; everything else leaves the spool. */
export function planPrefetch({ served, held, segmentBytes, depth, spoolBytesMax }: PrefetchState): PrefetchPlan {
  const count = Math.min(depth, Math.floor(spoolBytesMax / segmentBytes));
  const window: SegmentName[] = [];
  for (let name = served; window.length < count;) {
    name = nextSegment(name, segmentBytes);
    window.push(name);
  }
  const wanted = new Set<string>(window);
  return { start: window.filter((name) => !held.includes(name)), drop: held.filter((name) => !wanted.has(name)) };
}

/**
 * How far to look ahead after a request: one segment at first, twice as far after each segment that was served from the
 * spool, and back to one where the archive ends. A standby that keeps up with the archive costs one vain request then.
 */
export const nextDepth = (depth: number, outcome: "hit" | "miss" | "end", maxParallel: number): number =>
  outcome === "end" ? 1 : Math.min(maxParallel, outcome === "hit" ? depth * 2 : depth);

const isHistory = (name: string): boolean => name.endsWith(".history");
