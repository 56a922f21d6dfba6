// Which run is due and when the next one starts. Pure.
//
// A planned time is a moment that a cron line names; the run starts later than that by the schedule's jitter. All that is
// remembered is `handledUntil`: planned times up to it are dealt with. Whatever lies between it and now, a minute's run or
// a week of them, is one run: so nothing storms after a downtime, and a clock that jumps back runs nothing again.
import type { Agenda, AgendaLine } from "#api/backup-schedule.ts";

export interface DueRun {
  /** The newest planned time that this run stands for. */
  readonly planned: Date;
  /** Of the lines that are due, the one that stands first in the spec. */
  readonly line: AgendaLine;
}

export function dueRun({ lines, jitterMs }: Agenda, handledUntil: Date, now: Date): DueRun | undefined {
  const until = new Date(now.getTime() - jitterMs);
  if (until <= handledUntil) return undefined;
  const due = lines.flatMap((line) => {
    const planned = line.cron.latest(until);
    return planned !== undefined && planned > handledUntil ? [{ planned, line }] : [];
  });
  const [first] = due;
  if (first === undefined) return undefined;
  return { planned: new Date(Math.max(...due.map(({ planned }) => planned.getTime()))), line: first.line };
}

/** When the first run starts whose planned time is neither dealt with nor past at `now`. */
export function nextStart({ lines, jitterMs }: Agenda, handledUntil: Date, now: Date): Date | undefined {
  const after = new Date(Math.max(handledUntil.getTime(), now.getTime() - jitterMs));
  const starts = lines.flatMap(({ cron }) => {
    const planned = cron.next(after);
    return planned === undefined ? [] : [planned.getTime() + jitterMs];
  });
  return starts.length === 0 ? undefined : new Date(Math.min(...starts));
}

/** A planned time cannot be later than now. One that is, by more than this, was written by a clock that went wrong. */
const clockToleranceMs = 24 * 3_600_000;

export interface Remembered {
  /** What the status says; absent on a new schedule. */
  readonly handledUntil?: Date | undefined;
  readonly createdAt: Date;
  /** Whether the times were changed since the status was written. */
  readonly isChanged: boolean;
  /** Planned times of the Backups that there are. */
  readonly made: readonly Date[];
}

/** Up to which planned time everything is dealt with. */
export function handledUntil({ handledUntil: known, createdAt, isChanged, made }: Remembered, now: Date): Date {
  const isBelievable = (moment: Date): boolean => moment.getTime() <= now.getTime() + clockToleranceMs;
  const since = known ?? createdAt;
  // New times count from the change: an edit at noon makes up for nothing that would have run in the morning.
  const begin = isChanged || !isBelievable(since) ? now : since;
  return new Date(Math.max(...[begin, since, ...made].filter(isBelievable).map((moment) => moment.getTime())));
}
