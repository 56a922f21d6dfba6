// Timeline history files and ancestry. A history file of timeline N lists its ancestors, oldest first, each with the
// LSN at which it was left (PostgreSQL: src/backend/access/transam/timeline.c). Pure.
import { formatLsn, parseLsn } from "./lsn.ts";

/** One ancestor: it was left for the next timeline at `lsn`. */
export interface HistoryEntry {
  readonly timeline: number;
  readonly lsn: bigint;
  /** Free text: "no recovery target specified", "before 2026-11-20 …". */
  readonly reason: string;
}

/** The stretch of WAL that a timeline adds to a path: from `start` up to but without `end`; no `end` on the last one. */
export interface TimelineSpan {
  readonly timeline: number;
  readonly start: bigint;
  readonly end?: bigint;
}

/** Reads a history file; undefined when it is damaged (then nothing may be concluded from it). */
export function parseHistory(text: string): readonly HistoryEntry[] | undefined {
  const entries: HistoryEntry[] = [];
  for (const line of text.split("\n")) {
    const content = line.trim();
    if (content === "" || content.startsWith("#")) continue;
    const entry = parseEntry(content);
    const previous = entries.at(-1);
    if (entry === undefined) return undefined;
    if (previous !== undefined && entry.timeline <= previous.timeline) return undefined;
    entries.push(entry);
  }
  return entries;
}

/** Writes a history file as PostgreSQL does: timeline, LSN and reason divided by tabs. */
export const formatHistory = (entries: readonly HistoryEntry[]): string =>
  entries.map(({ timeline, lsn, reason }) => `${timeline}\t${formatLsn(lsn)}\t${reason}\n`).join("");

/**
 * The WAL that leads to `timeline`: its ancestors oldest first, then itself. `history` is the content of its history
 * file, empty for a timeline without one. Undefined when the file cannot belong to this timeline.
 */
export function pathTo(timeline: number, history: readonly HistoryEntry[]): readonly TimelineSpan[] | undefined {
  const path: TimelineSpan[] = [];
  let start = 0n;
  for (const entry of history) {
    if (entry.timeline >= timeline || entry.lsn < start) return undefined;
    path.push({ timeline: entry.timeline, start, end: entry.lsn });
    start = entry.lsn;
  }
  path.push({ timeline, start });
  return path;
}

/**
 * Whether a position on `timeline` lies on the path, so that replay from there can follow the path to its end. A
 * backup that ended after the switch to the next timeline does not (PostgreSQL refuses it at start).
 */
export function isOnPath(path: readonly TimelineSpan[], timeline: number, lsn: bigint): boolean {
  const span = path.find((candidate) => candidate.timeline === timeline);
  return span !== undefined && (span.end === undefined || lsn <= span.end);
}

/** Whether `ancestor` is the path's last timeline or one that it descends from. */
export const isAncestor = (path: readonly TimelineSpan[], ancestor: number): boolean =>
  path.some(({ timeline }) => timeline === ancestor);

/** The timeline of the path whose WAL holds the byte at `lsn`. */
export const timelineAt = (path: readonly TimelineSpan[], lsn: bigint): number | undefined =>
  path.find(({ start, end }) => lsn >= start && (end === undefined || lsn < end))?.timeline;

function parseEntry(line: string): HistoryEntry | undefined {
  const match = /^(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)(?:\s+(.*))?$/.exec(line);
  if (match === null) return undefined;
  const timeline = Number(match[1]);
  const lsn = parseLsn(match[2] ?? "");
  if (lsn === undefined || timeline < 1 || timeline > 0xffff_ffff) return undefined;
  return { timeline, lsn, reason: match[3] ?? "" };
}
