// What a requested Backup may ask for: its limits, and the words in which a wrong one is refused. Pure; the schema says
// the same where it can, and admission and the controller both ask here.
import type { Backup } from "./gen/backup.ts";
import { parseDuration } from "#std/duration.ts";

export const deadlineDefault = "24h";
const deadlineMinMs = 60_000;
const deadlineMaxMs = 168 * 3_600_000;
export const retryLimitMax = 10;

export interface RequestProblem {
  readonly field: string;
  readonly message: string;
  readonly hint: string;
}

/** Milliseconds that a request may take from its creation on; a text that is none counts as the default. */
export const deadlineMs = ({ deadline = deadlineDefault }: Backup["spec"]): number =>
  parseDuration(deadline) ?? parseDuration(deadlineDefault) ?? 0;

/** What a valid schema still lets through. */
export function requestProblems({ metadata, spec }: Pick<Backup, "metadata" | "spec">): readonly RequestProblem[] {
  const problems: RequestProblem[] = [];
  const refuse = (field: string, message: string, hint: string): void => void problems.push({ field, message, hint });
  if (spec.cluster !== undefined && spec.repository !== undefined)
    refuse("spec", "both cluster and repository are given", oneOfBoth);
  if (spec.cluster === undefined && spec.repository === undefined)
    refuse("spec", "neither cluster nor repository is given", oneOfBoth);
  if ((spec.repository === undefined) !== (spec.backupId === undefined))
    refuse("spec.backupId", "goes with spec.repository", "give both for a record, none for a request");
  if (spec.cluster !== undefined && metadata.name.length > 63)
    refuse(
      "metadata.name",
      `has ${metadata.name.length} characters`,
      "at most 63, since CloudNativePG's Backup bears it in a label",
    );
  const deadline = spec.deadline === undefined ? undefined : parseDuration(spec.deadline);
  if (spec.deadline !== undefined && deadline === undefined)
    refuse("spec.deadline", `not a duration: ${spec.deadline}`, "hours, minutes and seconds, such as 6h or 1h30m");
  if (deadline !== undefined && (deadline < deadlineMinMs || deadline > deadlineMaxMs))
    refuse("spec.deadline", `out of bounds: ${spec.deadline}`, "between 1m and 168h");
  const { retryLimit = 0 } = spec;
  if (!Number.isInteger(retryLimit) || retryLimit < 0 || retryLimit > retryLimitMax)
    refuse("spec.retryLimit", `out of bounds: ${retryLimit}`, `a whole number from 0 to ${retryLimitMax}`);
  return problems;
}

const oneOfBoth = "cluster is a request for a backup, repository with backupId a record that the operator makes";
