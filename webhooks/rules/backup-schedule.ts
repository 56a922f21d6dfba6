// What admission says of a BackupSchedule beyond its schema: every cron line is read, and the answer says how it was
// understood and when it runs next. Pure.
import { readAgenda, type Agenda } from "#api/backup-schedule.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import { isDeepStrictEqual } from "node:util";
import type { Finding, Judgement } from "../judgement.ts";
import { judgeAsked, type Destination } from "./destination.ts";

export interface ScheduleReview {
  readonly object: BackupSchedule;
  /** What it replaces; absent when it is created. */
  readonly old?: BackupSchedule | undefined;
  readonly now: Date;
  readonly destination?: Destination | undefined;
}

export function judgeBackupSchedule({ object, old: replaced, now, destination }: ScheduleReview): Judgement {
  const { metadata, spec } = object;
  if (!hasSpec(object)) return { problems: [], warnings: [] }; // the schema's own check says it
  // What was stored when the schema was another one is no measure.
  const old = replaced !== undefined && hasSpec(replaced) ? replaced : undefined;
  const { problems, agenda } = readAgenda(spec, `${metadata.namespace}/${metadata.name}`, now);
  const isNews = old === undefined || !isDeepStrictEqual(timingOf(old), timingOf(object));
  const asked = judgeLines(object, old, destination);
  return {
    problems: [...identityProblems(object, old), ...problems, ...asked.problems],
    warnings: [
      ...asked.warnings,
      ...(agenda !== undefined && isNews ? timingWarnings(agenda, spec.suspend === true, now) : []),
      ...(agenda !== undefined ? deletionWarnings(object, old) : []),
    ],
  };
}

/** Lines that were there before stay, whatever became of the Cluster: else the schedule could not even be suspended. */
function judgeLines(
  { spec }: BackupSchedule,
  old: BackupSchedule | undefined,
  destination: Destination | undefined,
): Judgement {
  const lines: readonly unknown[] = Array.isArray(spec.schedules) ? spec.schedules.slice(0, linesMax) : [];
  const before: readonly unknown[] = Array.isArray(old?.spec.schedules) ? old.spec.schedules.slice(0, linesMax) : [];
  const judged = lines.flatMap((line, index) => {
    if (typeof line !== "object" || line === null) return [];
    const { problems, warnings } = judgeAsked(line, `spec.schedules[${index}]`, destination);
    if (!before.some((stored) => isDeepStrictEqual(stored, line))) return [{ problems, warnings }];
    return [{ problems: [], warnings: [...problems.map(({ field, message }) => `${field}: ${message}`), ...warnings] }];
  });
  return {
    problems: judged.flatMap(({ problems }) => problems),
    warnings: judged.flatMap(({ warnings }) => warnings),
  };
}

/** As many as the schema lets through. */
const linesMax = 20;

const hasSpec = ({ spec }: { readonly spec?: unknown }): boolean => typeof spec === "object" && spec !== null;

function identityProblems({ metadata, spec }: BackupSchedule, old: BackupSchedule | undefined): Finding[] {
  const found: Finding[] = [];
  if (metadata.name !== undefined && metadata.name.length > 63)
    found.push({
      field: "metadata.name",
      message: "longer than 63 characters, and Backups carry it as a label",
      hint: "choose a shorter name",
    });
  const before = old?.spec.cluster?.name;
  if (before !== undefined && before !== spec.cluster?.name)
    found.push({
      field: "spec.cluster.name",
      message: `cannot be changed from ${before}`,
      hint: "make another BackupSchedule for the other Cluster",
    });
  return found;
}

/** The fields of which the runs' times are made. */
const timingOf = ({ spec: { schedules, timeZone, jitter, suspend } }: BackupSchedule): unknown => [
  schedules,
  timeZone ?? "UTC",
  jitter ?? "0s",
  suspend ?? false,
];

function timingWarnings({ lines, jitterMs }: Agenda, isSuspended: boolean, now: Date): string[] {
  const readings = lines.map(({ cron }, index) => {
    const next = new Date((cron.next(now)?.getTime() ?? 0) + jitterMs).toISOString().slice(0, 19);
    const order = cron.fieldCount === 6 ? "6 fields, seconds first" : "5 fields, minutes first";
    return `spec.schedules[${index}].cron: ${order}; next run ${next}Z`;
  });
  if (!isSuspended) return readings;
  return ["spec.suspend is true: no backup is made until it is false", ...readings];
}

const deletionWarnings = ({ spec }: BackupSchedule, old: BackupSchedule | undefined): readonly string[] =>
  spec.deletionPolicy === "Delete" && old?.spec.deletionPolicy !== "Delete"
    ? ["spec.deletionPolicy Delete: deleting a Backup of this schedule deletes its data from the store"]
    : [];
