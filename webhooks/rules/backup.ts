// What is said of a Backup at admission, beyond its schema. Pure.
import { requestProblems } from "#api/backup-request.ts";
import type { Backup } from "#api/gen/backup.ts";
import { isObjectName } from "#api/names.ts";
import type { Finding, Judgement } from "../judgement.ts";
import { judgeAsked, type Destination } from "./destination.ts";

export interface BackupSubject {
  readonly object: Backup;
  /** As it is stored; absent when it is new. */
  readonly old?: Backup | undefined;
  readonly destination?: Destination | undefined;
}

export function judgeBackup({ object, old, destination }: BackupSubject): Judgement {
  const asked = old === undefined ? judgeAsked(object.spec, "spec", destination) : { problems: [], warnings: [] };
  return {
    problems: [
      ...requestProblems(object),
      ...askedProblems(object),
      ...asked.problems,
      ...(old === undefined ? [] : changes(object, old)),
    ],
    warnings: [...asked.warnings, ...recordWarnings(object, old), ...deletionWarnings(object, old)],
  };
}

/** What a request asks for goes with a request, and a Cluster has a name that can be one. */
function askedProblems({ spec }: Backup): readonly Finding[] {
  const problems: Finding[] = [];
  const { cluster } = spec;
  if (cluster !== undefined && !isObjectName(cluster.name))
    problems.push({
      field: "spec.cluster.name",
      message: `no Cluster can be called ${JSON.stringify(cluster.name)}`,
      hint: "the name of a Cluster in this namespace",
    });
  if (spec.repository !== undefined)
    for (const field of ["type", "target", "selectedRepository"] as const)
      if (spec[field] !== undefined)
        problems.push({
          field: `spec.${field}`,
          message: "goes with spec.cluster",
          hint: "a record has none: leave it out",
        });
  return problems;
}

const fixed = [
  "cluster",
  "repository",
  "backupId",
  "type",
  "selectedRepository",
  "target",
  "deadline",
  "retryLimit",
] as const;

function changes({ spec }: Backup, { spec: before }: Backup): readonly Finding[] {
  return fixed
    .filter((field) => canonical(spec[field]) !== canonical(before[field]))
    .map((field) => ({
      field: `spec.${field}`,
      message: "a Backup cannot be changed but for spec.deletionPolicy",
      hint: "make another",
    }));
}

/** Equal for equal values, whatever the order in which their fields were written. */
const canonical = (value: unknown): string | undefined =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );

const recordWarnings = ({ spec }: Backup, old: Backup | undefined): readonly string[] =>
  spec.repository === undefined || old !== undefined
    ? []
    : [
        "the operator makes the records of what a store holds by itself; this one is Missing unless the store has the backup",
      ];

const deletionWarnings = ({ spec }: Backup, old: Backup | undefined): readonly string[] =>
  spec.deletionPolicy === "Delete" && old?.spec.deletionPolicy !== "Delete"
    ? ["spec.deletionPolicy Delete: deleting this Backup deletes its data from the store; WAL stays"]
    : [];
