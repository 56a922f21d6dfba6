// What a BackupSchedule's status says. Pure.
// Ready is True when runs are planned, can be made, and the newest one that ended did not fail. Suspended is Unknown:
// nothing is wrong, and nothing is proven either.
import type { ConditionType, Reason } from "#api/conditions.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import { timestamp } from "#kube/timestamp.ts";
import { isActive, type Observed, type Run, type Status } from "./facts.ts";

type Ended = NonNullable<Status["lastEnded"]>;

export interface Verdict {
  readonly ready: "True" | "False" | "Unknown";
  readonly reason: Reason;
  readonly message: string;
}

export interface Timing {
  readonly handledUntil?: Date;
  readonly next?: Date;
  /** A run is due and waits for the one before it. */
  readonly isHeld?: boolean;
  /** A run is due, and its Backup is to be made now. */
  readonly isDue?: boolean;
}

export interface Shown {
  readonly verdict: Verdict;
  /** The whole status but for its conditions. */
  readonly facts: Omit<Status, "conditions">;
}

export function statusOf(observed: Observed, timing: Timing): Shown {
  const { schedule, agenda, runs } = observed;
  const { status: previous = {} } = schedule;
  const ordered = runs.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  const newest = newestOf(ordered, previous);
  const active = ordered.find(isActive)?.name;
  const lastEnded = endedOf(
    ordered.findLast((run) => !isActive(run)),
    previous,
  );
  const text = agenda?.text ?? previous.schedule;
  const until = timing.handledUntil === undefined ? previous.handledUntil : timestamp(timing.handledUntil);
  return {
    verdict: verdictOf(observed, timing, lastEnded),
    facts: {
      observedGeneration: schedule.metadata.generation ?? 1,
      ...(text !== undefined && { schedule: text }),
      ...(timing.next !== undefined && { nextRun: timestamp(timing.next) }),
      ...newest,
      ...(active !== undefined && { active }),
      ...(lastEnded !== undefined && { lastEnded }),
      ...(until !== undefined && { handledUntil: until }),
    },
  };
}

/** The newest Backup; that it was deleted does not unmake the run. */
function newestOf(ordered: readonly Run[], { lastRun, lastBackup }: Status): Pick<Status, "lastRun" | "lastBackup"> {
  const run = ordered.at(-1);
  if (run !== undefined && (lastRun === undefined || timestamp(run.createdAt) >= lastRun))
    return { lastRun: timestamp(run.createdAt), lastBackup: run.name };
  return { ...(lastRun !== undefined && { lastRun }), ...(lastBackup !== undefined && { lastBackup }) };
}

/** How the newest run that has ended went. It stands when its Backup is deleted: a failure is not mended by that. */
function endedOf(run: Run | undefined, { lastEnded }: Status): Ended | undefined {
  if (run === undefined) return lastEnded;
  const made = timestamp(run.createdAt);
  if (lastEnded !== undefined && lastEnded.made > made) return lastEnded;
  const phase = run.phase === "Failed" || run.phase === "Missing" ? run.phase : "Completed";
  return {
    backup: run.name,
    made,
    phase,
    ...(phase !== "Completed" && { reason: run.reason ?? "EngineError", message: run.message ?? "" }),
  };
}

function verdictOf(observed: Observed, { isHeld, isDue }: Timing, ended: Ended | undefined): Verdict {
  const { schedule, invalid, cluster, trouble } = observed;
  const name = schedule.spec.cluster?.name ?? "";
  if (invalid !== undefined) return { ready: "False", reason: "InvalidSpec", message: invalid };
  if (schedule.spec.suspend === true)
    return {
      ready: "Unknown",
      reason: "Suspended",
      message: "spec.suspend is true: no backup is made until it is false",
    };
  if (cluster === "missing")
    return {
      ready: "False",
      reason: "ClusterNotFound",
      message: `Cluster ${name} does not exist in this namespace: no backup is made`,
    };
  if (cluster === "no-plugin")
    return {
      ready: "False",
      reason: "PluginNotConfigured",
      message: `Cluster ${name} does not name the plugin holdfast.dev: add it to spec.plugins`,
    };
  // It stands between the tries, so that Ready does not go to and fro.
  if (isDue === true && trouble !== undefined) return cannotMake(trouble);
  const held = isHeld === true ? "; a run is due and waits until the Backup in status.active has ended" : "";
  if (ended?.phase === "Failed" || ended?.phase === "Missing") {
    const message = `Backup ${ended.backup} ${ended.phase === "Failed" ? "failed" : "is gone"}: ${ended.message}${held}`;
    return { ready: "False", reason: (ended.reason ?? "EngineError") as Reason, message };
  }
  const good = ended === undefined ? "no run has ended yet" : "the newest run that has ended is Completed";
  return { ready: "True", reason: "Succeeded", message: `${good}${held}` };
}

export const cannotMake = (trouble: string): Verdict => ({
  ready: "False",
  reason: "EngineError",
  message: `the Backup of the run that is due cannot be made: ${trouble}`,
});

export interface Stated {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: Reason;
  readonly message: string;
  readonly observedGeneration: number;
}

/** Ready, and Stalled where only a change of the spec helps (kstatus: shown only when True). */
export function conditionsOf({ metadata }: BackupSchedule, { ready, reason, message }: Verdict): readonly Stated[] {
  const observedGeneration = metadata.generation ?? 1;
  const stated = { reason, message, observedGeneration };
  const stalled: Stated[] = reason === "InvalidSpec" ? [{ type: "Stalled", status: "True", ...stated }] : [];
  return [{ type: "Ready", status: ready, ...stated }, ...stalled];
}
