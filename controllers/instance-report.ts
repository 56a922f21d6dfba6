// What the sidecars of a Cluster report of now, and what of it was only true when they last did. Pure.
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { InstanceEntry } from "#engine/report/reporter.ts";

/** A report older than this says nothing about now; sidecars give a sign of life every minute. */
export const reportAgeMaxMs = 120_000;

type Dated = Pick<InstanceEntry, "reportedAt">;

export const reportAgeMs = (entry: Dated | undefined, now: Date): number =>
  entry?.reportedAt === undefined ? Infinity : now.getTime() - Date.parse(entry.reportedAt);

/** What a pod that is gone said last stays in the report. */
export const isCurrent = (entry: Dated, now: Date): boolean => reportAgeMs(entry, now) < reportAgeMaxMs;

/** By the names of the pods, in their order. */
export const entriesOf = (report: InstanceReport | undefined): [string, InstanceEntry][] =>
  Object.entries(report?.status?.instances ?? {}).sort(([one], [other]) => one.localeCompare(other));

/** The one that reported last, where two call themselves primary. */
export const primaryEntry = (report: InstanceReport): InstanceEntry | undefined =>
  entriesOf(report)
    .map(([, entry]) => entry)
    .filter(({ role }) => role === "primary")
    .sort((a, b) => (a.reportedAt ?? "").localeCompare(b.reportedAt ?? ""))
    .at(-1);

/** The CNPG Backups that sidecars say they are running. */
export const runningBackups = (report: InstanceReport | undefined, now: Date): string[] =>
  entriesOf(report).flatMap(([, entry]) =>
    entry.backup !== undefined && isCurrent(entry, now) ? [entry.backup.name] : [],
  );
