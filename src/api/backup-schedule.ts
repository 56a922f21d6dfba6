// What a BackupSchedule's spec means: its cron lines read in their time zone, and what stands in the way of running them.
// Pure. Takes any JSON where the schema allows only some, so that admission can name every mistake in one answer.
import { createHash } from "node:crypto";
import { isCronProblem, readCron, type CronLine } from "#std/cron.ts";
import { parseDuration } from "#std/duration.ts";
import { isTimeZone, nearestTimeZone } from "#std/time-zone.ts";
import type { BackupSchedule } from "./gen/backup-schedule.ts";

type Spec = BackupSchedule["spec"];

export interface AgendaLine {
  readonly cron: CronLine;
  readonly type?: "full" | "diff" | "incr";
  readonly target?: "primary" | "prefer-standby";
  readonly selectedRepository?: number;
}

export interface Agenda {
  /** In the order of the spec: of lines that are due together the first one decides. */
  readonly lines: readonly AgendaLine[];
  /** How late every run of this schedule starts. */
  readonly jitterMs: number;
  /** The lines and their zone in one line. It changes when the times do. */
  readonly text: string;
}

export interface SpecProblem {
  readonly field: string;
  readonly message: string;
  readonly hint: string;
}

export interface Reading {
  readonly problems: readonly SpecProblem[];
  /** Present when there are no problems. */
  readonly agenda?: Agenda;
}

const jitterMax = { ms: 24 * 3_600_000, text: "24h" } as const;
/** What a Backup's own spec.deadline may be. */
const isBackupDeadline = (ms: number): boolean => ms >= 60_000 && ms <= 168 * 3_600_000;
/** As many as the schema lets through. */
const linesMax = 20;

/** `owner` is the "namespace/name" of the schedule, from which its part of the jitter follows. */
export function readAgenda(spec: Spec, owner: string, now: Date): Reading {
  const zone = readZone(spec.timeZone);
  const jitter = readDuration("spec.jitter", spec.jitter, "10m");
  const deadline = readDuration("spec.deadline", spec.deadline, "6h");
  const lines = readLines(spec.schedules, zone.name, now);
  const problems = [
    ...lines.problems,
    ...zone.problems,
    ...jitter.problems,
    ...deadline.problems,
    ...(jitter.ms > jitterMax.ms
      ? [{ field: "spec.jitter", message: `longer than ${jitterMax.text}`, hint: `write at most ${jitterMax.text}` }]
      : []),
    ...(spec.deadline !== undefined && deadline.problems.length === 0 && !isBackupDeadline(deadline.ms)
      ? [{ field: "spec.deadline", message: "out of bounds", hint: "write between 1m and 168h, as in 6h" }]
      : []),
  ];
  if (problems.length > 0) return { problems };
  const text = `${lines.texts.join(" | ")} ${zone.name}`;
  return { problems, agenda: { lines: lines.lines, jitterMs: jitterOf(owner, jitter.ms), text } };
}

/** The part of the longest jitter that this owner waits, in whole seconds: always the same, different ones spread evenly. */
export function jitterOf(owner: string, maxMs: number): number {
  const share = createHash("sha256").update(owner).digest().readUInt32BE(0) / 2 ** 32;
  return Math.floor((share * (maxMs + 1000)) / 1000) * 1000;
}

function readZone(written: unknown): { readonly name: string; readonly problems: readonly SpecProblem[] } {
  if (written === undefined) return { name: "UTC", problems: [] };
  if (typeof written === "string" && isTimeZone(written)) return { name: written, problems: [] };
  const text = typeof written === "string" ? written : "";
  const nearest = nearestTimeZone(text);
  const hint = nearest === undefined ? "write a name such as Europe/Paris, or UTC" : `did you mean ${nearest}?`;
  const message = `${JSON.stringify(text.slice(0, 64))} is not the name of a time zone`;
  return { name: "UTC", problems: [{ field: "spec.timeZone", message, hint }] };
}

function readDuration(field: string, written: unknown, sample: string) {
  const ms = written === undefined ? 0 : typeof written === "string" ? parseDuration(written) : undefined;
  if (ms !== undefined) return { ms, problems: [] };
  const days = typeof written === "string" ? /^(\d{1,3})d$/.exec(written)?.[1] : undefined;
  const hint = `write hours, minutes and seconds, as in ${days === undefined ? sample : `${Number(days) * 24}h`}`;
  return { ms: 0, problems: [{ field, message: "not a duration", hint }] };
}

interface Lines {
  readonly lines: readonly AgendaLine[];
  readonly texts: readonly string[];
  readonly problems: readonly SpecProblem[];
}

function readLines(written: unknown, timeZone: string, now: Date): Lines {
  const lines: AgendaLine[] = [];
  const texts: string[] = [];
  const problems: SpecProblem[] = [];
  /** Canonical text → the field where it stands first. */
  const seen = new Map<string, string>();
  const schedules: readonly unknown[] = Array.isArray(written) ? written.slice(0, linesMax) : [];
  for (const [index, entry] of schedules.entries()) {
    const field = `spec.schedules[${index}].cron`;
    const { cron: text, type, target, selectedRepository } = (entry ?? {}) as Partial<Spec["schedules"][number]>;
    if (typeof text !== "string") continue; // the schema's own check names it
    const cron = readCron(text, timeZone);
    if (isCronProblem(cron)) {
      problems.push({ field, message: cron.problem, hint: cron.hint });
      continue;
    }
    const twin = seen.get(cron.canonical);
    if (twin !== undefined) {
      problems.push({ field, message: `the same times as ${twin}`, hint: "leave one of the two out" });
      continue;
    }
    seen.set(cron.canonical, field);
    if (cron.next(now) === undefined) {
      const hint = "name a day that exists; L is the last day of the month";
      problems.push({ field, message: "never runs: there is no such day", hint });
      break; // finding out takes a while: once an object is enough
    }
    texts.push(text.trim().replaceAll(/\s+/g, " "));
    lines.push({
      cron,
      ...(type !== undefined && { type }),
      ...(target !== undefined && { target }),
      ...(selectedRepository !== undefined && { selectedRepository }),
    });
  }
  if (schedules.length === 0)
    problems.push({ field: "spec.schedules", message: "no line", hint: 'write at least one: [{cron: "0 2 * * *"}]' });
  return { lines, texts, problems };
}
