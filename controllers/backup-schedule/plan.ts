// What to do for one BackupSchedule: make the run that is due, unless the one before it has not ended, and take away
// failed Backups above the limit. Pure.
import type { Agenda, AgendaLine } from "#api/backup-schedule.ts";
import { isActive, type Observed } from "./facts.ts";
import { statusOf, type Shown } from "./status.ts";
import { dueRun, handledUntil, nextStart, type DueRun } from "./times.ts";

export type Action =
  | {
      readonly kind: "createBackup";
      readonly why: string;
      readonly planned: Date;
      readonly line: AgendaLine;
      /** It stands for runs that were not made in time. */
      readonly isLate: boolean;
    }
  | { readonly kind: "deleteBackup"; readonly why: string; readonly name: string; readonly uid: string };

export interface Plan extends Shown {
  readonly actions: readonly Action[];
  /** A run is due and waits until the one before it has ended: never more than one does. */
  readonly isHeld: boolean;
  readonly requeueAfterMs?: number;
}

/** So that a clock that was set is noticed. */
const lookAgainMaxMs = 3_600_000;
/** A run that has been due for longer than this was missed. */
const lateMs = 60_000;

export function planSchedule(observed: Observed): Plan {
  const { schedule, agenda, now, runs } = observed;
  const until =
    agenda &&
    handledUntil(
      {
        handledUntil: moment(schedule.status?.handledUntil),
        createdAt: moment(schedule.metadata.creationTimestamp) ?? now,
        isChanged: schedule.status !== undefined && schedule.status.schedule !== agenda.text,
        made: runs.flatMap(({ planned }) => planned ?? []),
      },
      now,
    );
  if (agenda === undefined || until === undefined || schedule.metadata.deletionTimestamp !== undefined)
    return { actions: [], isHeld: false, ...statusOf(observed, {}) };

  const isSuspended = schedule.spec.suspend === true;
  const due = isSuspended || observed.cluster !== "found" ? undefined : dueRun(agenda, until, now);
  const isHeld = due !== undefined && runs.some(isActive);
  const next = isSuspended ? undefined : nextStart(agenda, until, now);
  return {
    actions: [...(due === undefined || isHeld ? [] : [create(due, agenda, until, now)]), ...prune(observed)],
    isHeld,
    ...statusOf(observed, {
      handledUntil: until,
      isHeld,
      isDue: due !== undefined && !isHeld,
      ...(next !== undefined && { next }),
    }),
    ...(next !== undefined && {
      requeueAfterMs: Math.min(Math.max(next.getTime() - now.getTime(), 100), lookAgainMaxMs),
    }),
  };
}

function create({ planned, line }: DueRun, agenda: Agenda, until: Date, now: Date): Action {
  const began = nextStart(agenda, until, until);
  const isLate = began !== undefined && now.getTime() - began.getTime() > lateMs;
  const why = isLate ? "runs were missed: one makes up for them" : "a run is due";
  return { kind: "createBackup", why, planned, line, isLate };
}

/**
 * Failed requests only, cancelled ones among them: a completed record lives as long as its data, and so does one that the
 * store has in parts, else it would come back as a record that knows nothing of what is missing.
 */
function prune({ schedule, runs }: Observed): Action[] {
  const limit = schedule.spec.failedHistoryLimit ?? 3;
  return runs
    .filter(({ phase, isDeleting, isStored }) => phase === "Failed" && !isDeleting && !isStored)
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.name < b.name ? 1 : -1))
    .slice(limit)
    .map(({ name, uid }) => ({ kind: "deleteBackup", why: `more than ${limit} failed Backups`, name, uid }));
}

function moment(text: string | undefined): Date | undefined {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? undefined : new Date(ms);
}
