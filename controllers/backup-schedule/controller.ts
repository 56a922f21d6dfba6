// Drives BackupSchedules: makes a Backup when a run is due, says when the next one is, and looks again then.
import { apiVersion, backupSchedules } from "#api/kinds.ts";
import { labels } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import type { KubeClient } from "#kube/client.ts";
import { setConditions } from "#kube/conditions.ts";
import { ownKey, sourceOf, type Reconcile, type Source } from "#kube/controller.ts";
import type { EventRecorder, EventText } from "#kube/events.ts";
import { keyOf, keyOfObject } from "#kube/object.ts";
import { createReconcile } from "#kube/reconciler.ts";
import { createStatusWriter } from "#kube/status-writer.ts";
import { timestamp } from "#kube/timestamp.ts";
import { createRun, deleteRun } from "./apply.ts";
import { observeSchedule, type Sources } from "./observe.ts";
import type { Observed, Status } from "./facts.ts";
import { planSchedule, type Action, type Plan } from "./plan.ts";
import { cannotMake, conditionsOf } from "./status.ts";

export interface ScheduleDeps extends Omit<Sources, "fresh" | "troubles" | "now"> {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly now?: () => Date;
}

/** Schedules, the Backups that they made, and the Clusters that they name. */
export function scheduleSources({ schedules, backups, clusters }: ScheduleDeps): Source[] {
  return [
    sourceOf(schedules, ownKey),
    sourceOf(backups, ({ metadata: { namespace = "", labels: own } }) => {
      const name = own?.[labels.schedule];
      return name === undefined ? [] : [{ namespace, name }];
    }),
    sourceOf(clusters, ({ metadata: { namespace, name } }) =>
      schedules.byIndex("cluster", `${namespace}/${name}`).map(keyOfObject),
    ),
  ];
}

export function scheduleReconcile(deps: ScheduleDeps): Reconcile {
  const writer = createStatusWriter(deps.client, backupSchedules, "holdfast");
  const sources: Sources = {
    ...deps,
    fresh: new Map<string, Backup>(),
    troubles: new Map<string, string>(),
    now: deps.now ?? (() => new Date()),
  };
  return createReconcile<Observed, Action, Plan>({
    observe: async (key) => observeSchedule(key, sources),
    plan: (observed) => {
      const plan = planSchedule(observed);
      const { actions, requeueAfterMs } = plan;
      return { actions, status: plan, ...(requeueAfterMs !== undefined && { requeueAfterMs }) };
    },
    writeStatus: async ({ schedule, now }, plan, signal) => {
      await writer.write(schedule, statusOf(schedule, plan, now), signal);
      const news = newsOf(schedule, plan);
      if (news !== undefined) await announce(deps.events, schedule, news, signal);
    },
    apply: async (action, { schedule }, signal) => {
      const { namespace = "" } = schedule.metadata;
      if (action.kind === "deleteBackup")
        return deleteRun(deps.client, { namespace, name: action.name }, action.uid, signal);
      const owner = keyOf(keyOfObject(schedule));
      try {
        const backup = await createRun(deps.client, schedule, action, signal);
        sources.troubles.delete(owner);
        if (backup === undefined) return;
        sources.fresh.set(owner, backup);
        const message = `made Backup ${backup.metadata.name}${action.isLate ? ", one for all runs that were missed" : ""}`;
        await announce(deps.events, schedule, { type: "Normal", reason: "BackupRequested", message }, signal);
      } catch (error) {
        sources.troubles.set(owner, wordsOf(error));
        throw error;
      }
    },
    withFailure: (plan, action, error) =>
      action.kind === "createBackup" ? { ...plan, verdict: cannotMake(wordsOf(error)) } : plan,
  });
}

const wordsOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ").slice(0, 500);

function statusOf(schedule: BackupSchedule, { verdict, facts }: Plan, now: Date): Status {
  const conditions = setConditions(schedule.status?.conditions ?? [], conditionsOf(schedule, verdict), timestamp(now));
  return { ...facts, conditions: conditions as NonNullable<Status["conditions"]> };
}

/** What Ready says anew; nothing when it goes on being good. */
function newsOf({ status }: BackupSchedule, { verdict, isHeld }: Plan): EventText | undefined {
  const { ready, reason, message } = verdict;
  const shown = status?.conditions?.find(({ type }) => type === "Ready");
  if (isHeld && ready === "True" && shown?.message !== message)
    return { type: "Normal", reason: "RunWaiting", message };
  if (shown?.status === ready && shown.reason === reason && (ready === "True" || shown.message === message))
    return undefined;
  if (shown === undefined && ready === "True") return undefined;
  return { type: ready === "False" ? "Warning" : "Normal", reason, message };
}

const announce = (
  events: EventRecorder,
  schedule: BackupSchedule,
  event: EventText,
  signal: AbortSignal,
): Promise<void> => events.record({ ...schedule, apiVersion, kind: "BackupSchedule" }, event, signal);
