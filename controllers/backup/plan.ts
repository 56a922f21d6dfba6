// What to do for one Backup of ours, and what its status says: from observation only, never from hope. Pure.
// A Backup is Completed only when the store lists it with status DONE; what CNPG says is progress, not proof.
import type { Reason } from "#api/conditions.ts";
import type { Backup } from "#api/gen/backup.ts";
import { labels } from "#api/names.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { describeRecord, type RepositoryFacts } from "./status.ts";

type Status = NonNullable<Backup["status"]>;
export type Phase = NonNullable<Status["phase"]>;

/** What the store says of the backup id: in its catalog, proven absent, or not to be known now. */
export type InStore =
  | { readonly kind: "present"; readonly record: BackupRecord; readonly repository: RepositoryFacts }
  | { readonly kind: "absent"; readonly repository: RepositoryFacts }
  | { readonly kind: "unknown"; readonly reason: Reason; readonly message: string };

/** The CNPG Backup that does the work of ours. */
export interface Work {
  readonly name: string;
  readonly phase: string;
  readonly backupId?: string;
  readonly error?: string;
  readonly instance?: string;
  readonly startedAt?: string;
}

export interface Observed {
  readonly backup: Backup;
  /** Fields of spec that cannot be accepted, in one line; absent when it is valid. */
  readonly invalid?: string;
  /** The Cluster of a request; "no-plugin" when it exists without our plugin. */
  readonly cluster: "found" | "missing" | "no-plugin";
  readonly work?: Work;
  readonly inStore: InStore;
  readonly progress?: {
    readonly bytesDone?: number;
    readonly bytesTotal?: number;
    readonly waitingForSegment?: string;
  };
}

export type Action =
  /** Make the CNPG Backup of this request. */
  { readonly kind: "createWork"; readonly why: string };

export interface Verdict {
  readonly phase: Phase;
  readonly ready: "True" | "False" | "Unknown";
  readonly reason: Reason;
  readonly message: string;
}

export interface Plan {
  readonly actions: readonly Action[];
  readonly verdict: Verdict;
  /** Fields of status beside the verdict. */
  readonly facts: Partial<Status>;
  /** When to look again if nothing happens before. */
  readonly requeueAfterMs?: number;
}

const isTerminal = (phase: Phase | undefined): boolean =>
  phase === "Completed" || phase === "Failed" || phase === "Missing";

/** The id by which the store knows this backup, once there is one. */
export const backupIdOf = (observed: Pick<Observed, "backup" | "work">): string | undefined =>
  observed.backup.spec.backupId ?? observed.work?.backupId ?? observed.backup.status?.backupId;

export function planBackup(observed: Observed): Plan {
  if (observed.invalid !== undefined) return done("Failed", "False", "InvalidSpec", observed.invalid);
  if (backupIdOf(observed) !== undefined) return fromStore(observed);
  if (observed.work !== undefined) return fromWork(observed, observed.work);
  const { status } = observed.backup;
  if (isTerminal(status?.phase)) return keep(observed);
  const lost = status?.cnpgBackup ?? observed.backup.metadata.labels?.[labels.cnpgBackup];
  if (lost !== undefined)
    return done("Failed", "False", "EngineError", `its CNPG Backup ${lost} was deleted before it ended`);
  return fromRequest(observed);
}

/** Nothing has begun yet. */
function fromRequest(observed: Observed): Plan {
  const name = observed.backup.spec.cluster?.name ?? "";
  if (observed.cluster === "missing")
    return {
      ...done("Pending", "False", "ClusterNotFound", `Cluster ${name} does not exist in this namespace`),
      requeueAfterMs: 30_000,
    };
  if (observed.cluster === "no-plugin")
    return done(
      "Failed",
      "False",
      "PluginNotConfigured",
      `Cluster ${name} does not name the plugin holdfast.dev: add it to spec.plugins`,
    );
  return {
    ...done("Pending", "False", "Progressing", "the backup is being requested from CloudNativePG"),
    actions: [{ kind: "createWork", why: "a request without a CNPG Backup" }],
  };
}

/** CNPG works on it and the store has given it no id yet. */
function fromWork(observed: Observed, work: Work): Plan {
  const facts = {
    cnpgBackup: work.name,
    type: "full" as const,
    ...(work.instance !== undefined && { instance: work.instance }),
    ...(work.startedAt !== undefined && { startedAt: work.startedAt }),
    ...(observed.progress?.bytesDone !== undefined && { bytesDone: observed.progress.bytesDone }),
    ...(observed.progress?.bytesTotal !== undefined && { bytesTotal: observed.progress.bytesTotal }),
  };
  switch (work.phase) {
    case "":
    case "pending":
      return {
        ...done("Pending", "False", "Progressing", "waiting for an instance or for another backup of the Cluster"),
        facts,
      };
    case "started":
    case "running": {
      const waiting = observed.progress?.waitingForSegment;
      return {
        ...(waiting === undefined
          ? done("Running", "False", "Progressing", `${work.instance ?? "the instance"} is being copied`)
          : done(
              "Finalizing",
              "False",
              "Progressing",
              `the files are copied; waiting for WAL segment ${waiting} in the store`,
            )),
        facts,
      };
    }
    case "finalizing":
      return { ...done("Finalizing", "False", "Progressing", "CloudNativePG is finalizing the backup"), facts };
    case "failed":
    case "walArchivingFailing":
    case "invalid backup definition": {
      const error = oneLine(work.error ?? `CloudNativePG says: ${work.phase}`);
      return { ...done("Failed", "False", reasonOf(error), error), facts: { ...facts, error } };
    }
    case "completed":
      return { ...done("Failed", "False", "EngineError", "CloudNativePG completed it without a backup id"), facts };
    default:
      return {
        ...done(
          "Running",
          "Unknown",
          "Progressing",
          `CloudNativePG reports the phase ${work.phase}, which is not known here`,
        ),
        facts,
      };
  }
}

/** It has an id: the store is the judge from here on. */
function fromStore(observed: Observed): Plan {
  const { inStore, work, backup } = observed;
  const id = backupIdOf(observed);
  const facts = { ...(id !== undefined && { backupId: id }), ...(work !== undefined && { cnpgBackup: work.name }) };
  const previous = backup.status?.phase;
  switch (inStore.kind) {
    case "present": {
      const described = { ...facts, ...describeRecord(inStore.record, inStore.repository) };
      if (inStore.record.status === "done")
        return { ...done("Completed", "True", "Succeeded", "the store lists the backup as done"), facts: described };
      const error = inStore.record.error ?? `the store lists it as ${inStore.record.status}`;
      return {
        ...done("Failed", "False", "EngineError", oneLine(error)),
        facts: { ...described, error: oneLine(error) },
      };
    }
    case "absent":
      if (previous === "Completed" || previous === "Missing" || backup.spec.repository !== undefined)
        return {
          ...keep(observed),
          ...done("Missing", "False", "Missing", `the store no longer holds backup ${id}`),
          facts,
        };
      return {
        ...done("Finalizing", "False", "NotInStore", `the store does not list backup ${id} yet`),
        facts,
        requeueAfterMs: 2_000,
      };
    case "unknown": {
      const phase =
        previous === undefined || previous === "Running" || previous === "Pending" ? "Finalizing" : previous;
      return { ...done(phase, "Unknown", inStore.reason, inStore.message), facts, requeueAfterMs: 10_000 };
    }
  }
}

/** Nothing new is known: what was said stands. */
function keep(observed: Observed): Plan {
  const ready = observed.backup.status?.conditions?.find((condition) => condition.type === "Ready");
  return done(
    observed.backup.status?.phase ?? "Pending",
    ready?.status ?? "Unknown",
    (ready?.reason as Reason | undefined) ?? "Progressing",
    ready?.message ?? "",
  );
}

const done = (phase: Phase, ready: Verdict["ready"], reason: Reason, message: string): Plan => ({
  actions: [],
  verdict: { phase, ready, reason, message },
  facts: {},
});

/** gRPC errors reach CNPG's status as "rpc error: code = X desc = Y": people need Y. */
const oneLine = (text: string): string =>
  text
    .replace(/^.*?rpc error: code = \w+ desc = /s, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 1000);

const reasonOf = (error: string): Reason => (error.startsWith("NotTheArchiver:") ? "NotTheArchiver" : "EngineError");
