// What to do for one Backup of ours, and what its status says: from observation only, never from hope. Pure.
// A Backup is Completed only when the store has all of it; what CNPG says is progress, not proof.
import type { Backup } from "#api/gen/backup.ts";
import { labels } from "#api/names.ts";
import { timestamp } from "#kube/timestamp.ts";
import { judgeByStore } from "./by-store.ts";
import { describeProgress } from "./progress.ts";
import { mayPass, waitMs } from "./retry.ts";
import {
  backupIdOf,
  deadlineOf,
  done,
  isRequest,
  keep,
  oneLine,
  type Action,
  type Observed,
  type Plan,
  type Status,
  type Work,
} from "./terms.ts";

export const finalizer = "holdfast.dev/delete-data";

export function planBackup(observed: Observed): Plan {
  // What goes is not begun any more; only our finalizer may still have to leave.
  if (observed.backup.metadata.deletionTimestamp !== undefined)
    return { ...keep(observed), actions: guardDeletion(observed.backup) };
  const plan = judge(observed);
  return { ...plan, actions: [...guardDeletion(observed.backup), ...plan.actions] };
}

/** The finalizer stands as long as the data goes with the object. */
function guardDeletion({ metadata, spec }: Backup): readonly Action[] {
  const isHeld = metadata.finalizers?.includes(finalizer) ?? false;
  if (spec.deletionPolicy === "Delete" && !isHeld && metadata.deletionTimestamp === undefined)
    return [{ kind: "holdDeletion", why: "the data goes with the object" }];
  if (spec.deletionPolicy !== "Delete" && isHeld)
    return [{ kind: "releaseDeletion", why: "deleting the object deletes no data" }];
  return [];
}

function judge(observed: Observed): Plan {
  const { backup, work, invalid } = observed;
  // A spec that another version took is no news of a backup that is done.
  const isMade = backup.status?.phase === "Completed" || backup.status?.phase === "Missing";
  if (invalid !== undefined && !isMade) return done("Failed", "False", "InvalidSpec", invalid);
  if (backupIdOf(observed) !== undefined) return judgeByStore(observed);
  // What was said to have failed stays so: a script may have acted on it.
  if (backup.status?.phase === "Failed") return { ...keep(observed), actions: cancel(observed, "it has failed") };
  const late = isLate(observed);
  const isLost = work === undefined || (isRequest(backup) && lostWork(observed) !== undefined);
  const plan = late ? exceeded(observed) : isLost ? fromRequest(observed) : fromWork(observed, work);
  return late || !isRequest(backup) ? plan : { ...plan, requeueAfterMs: untilDeadline(observed, plan.requeueAfterMs) };
}

const leftMs = ({ backup, now }: Observed): number => deadlineOf(backup, now).getTime() - now.getTime();

const isLate = (observed: Observed): boolean => isRequest(observed.backup) && leftMs(observed) <= 0;

const untilDeadline = (observed: Observed, otherwise = Infinity): number =>
  Math.max(1_000, Math.min(otherwise, leftMs(observed)));

function exceeded(observed: Observed): Plan {
  const { backup, work, queue } = observed;
  const limit = backup.spec.deadline ?? "";
  const { phase } = backup.status ?? {};
  const was =
    work !== undefined
      ? `it was ${phase ?? "Pending"}`
      : queue.behind !== undefined
        ? `it was behind ${queue.behind}`
        : "it had not begun";
  return {
    ...done("Failed", "False", "DeadlineExceeded", `not completed within ${limit} of its creation: ${was}`),
    facts: factsOf(observed, work),
    actions: cancel(observed, "it passed its deadline"),
  };
}

/** CNPG never ends a backup; without its object the sidecar gives it up. */
const cancel = ({ unfinished }: Observed, why: string): readonly Action[] =>
  unfinished.length === 0 ? [] : [{ kind: "cancelWork", names: unfinished, why }];

/** The CNPG Backup that did its work at the last look, when it is there no more and had not failed. */
function lostWork({ backup, work }: Observed): string | undefined {
  const last = backup.status?.cnpgBackup ?? backup.metadata.labels?.[labels.cnpgBackup];
  return last === work?.name || backup.status?.nextAttemptAt !== undefined ? undefined : last;
}

/** No CNPG Backup stands for it. */
function fromRequest(observed: Observed): Plan {
  const { backup, cluster, attempts } = observed;
  const name = backup.spec.cluster?.name ?? "";
  const lost = lostWork(observed);
  if (lost !== undefined)
    return done("Failed", "False", "Cancelled", `its CNPG Backup ${lost} was deleted before it ended`);
  if (cluster === "missing")
    return {
      ...done("Pending", "False", "ClusterNotFound", `Cluster ${name} does not exist in this namespace`),
      requeueAfterMs: 30_000,
    };
  if (cluster === "no-plugin")
    return done(
      "Failed",
      "False",
      "PluginNotConfigured",
      `Cluster ${name} does not name the plugin holdfast.dev: add it to spec.plugins`,
    );
  return createWork(observed, attempts + 1, "the backup is being requested from CloudNativePG");
}

/** Asks CNPG for an attempt when no other backup of the Cluster comes first. */
function createWork(observed: Observed, attempt: number, message: string): Plan {
  const { queue } = observed;
  const facts = factsOf(observed, observed.work);
  if (queue.behind !== undefined)
    return {
      ...done("Pending", "False", "Queued", `one backup of a Cluster at a time: it is behind ${queue.behind}`),
      facts: { ...facts, queuePosition: queue.length },
      // What a silent sidecar was running last stops counting without any change to tell of it.
      requeueAfterMs: 15_000,
    };
  return {
    ...done("Pending", "False", "Progressing", message),
    facts,
    actions: [{ kind: "createWork", attempt, why: attempt === 1 ? "a request without a CNPG Backup" : "another try" }],
  };
}

function factsOf({ backup, storeKind, attempts, progress }: Observed, work: Work | undefined): Partial<Status> {
  // Which type it gets when none is asked for, a Stanza's sidecar decides when it begins.
  const type = work?.said?.type ?? backup.spec.type ?? (storeKind === "Stanza" ? undefined : "full");
  return {
    ...(type !== undefined && { type }),
    ...(backup.spec.selectedRepository !== undefined && { selectedRepository: backup.spec.selectedRepository }),
    ...(attempts > 0 && { attempts }),
    ...(work !== undefined && { cnpgBackup: work.name }),
    ...(work?.instance !== undefined && { instance: work.instance }),
    ...(work?.startedAt !== undefined && { startedAt: work.startedAt }),
    ...(progress?.bytesDone !== undefined && { bytesDone: progress.bytesDone }),
    ...(progress?.bytesTotal !== undefined && { bytesTotal: progress.bytesTotal }),
  };
}

/** CNPG works on it and the store has given it no id yet. */
function fromWork(observed: Observed, work: Work): Plan {
  const { progress } = observed;
  const facts = factsOf(observed, work);
  const running = { ...facts, ...(progress !== undefined && describeProgress(progress)) };
  switch (work.phase) {
    case "":
    case "pending":
      return {
        ...done("Pending", "False", "Progressing", "waiting for an instance or for another backup of the Cluster"),
        facts,
      };
    case "started":
    case "running": {
      const waiting = progress?.waitingForSegment;
      return {
        ...(waiting === undefined
          ? done("Running", "False", "Progressing", `${work.instance ?? "the instance"} is being copied`)
          : done(
              "Finalizing",
              "False",
              "Progressing",
              `the files are copied; waiting for WAL segment ${waiting} in the store`,
            )),
        facts: running,
      };
    }
    case "finalizing":
      return { ...done("Finalizing", "False", "Progressing", "CloudNativePG is finalizing the backup"), facts };
    case "failed":
    case "walArchivingFailing":
    case "invalid backup definition":
      return fromFailure(observed, work);
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
        facts: running,
      };
  }
}

/** The attempt failed: another follows when that may help, the request allows it and time is left. */
function fromFailure(observed: Observed, work: Work): Plan {
  const { backup, attempts, now } = observed;
  const error = oneLine(work.error ?? `CloudNativePG says: ${work.phase}`);
  const facts = { ...factsOf(observed, work), error };
  const reason = error.startsWith("NotTheArchiver:") ? "NotTheArchiver" : "EngineError";
  const failed = { ...done("Failed", "False", reason, error), facts };
  const { retryLimit = 0 } = backup.spec;
  if (!isRequest(backup) || attempts > retryLimit || !mayPass(work.error ?? "")) return failed;
  const nextAt = new Date(backup.status?.nextAttemptAt ?? now.getTime() + waitMs(attempts));
  if (nextAt >= deadlineOf(backup, now)) return failed;
  const waiting = { ...facts, nextAttemptAt: timestamp(nextAt) };
  if (nextAt <= now) {
    const next = createWork(observed, attempts + 1, "another attempt is being requested from CloudNativePG");
    return { ...next, facts: { ...next.facts, ...waiting } };
  }
  return {
    ...done("Pending", "False", "Retrying", `an attempt failed, and is followed by another: ${error}`.slice(0, 1000)),
    facts: waiting,
    requeueAfterMs: nextAt.getTime() - now.getTime(),
  };
}
