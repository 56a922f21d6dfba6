// What the operator asks of a Cluster's sidecars, and what it tells people of their restores, from their report. Pure.
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { formatLsn, parseLsn } from "#postgres/lsn.ts";
import { entriesOf } from "../instance-report.ts";

export type Wishes = NonNullable<InstanceReport["spec"]>;

/**
 * A backup on a standby ends in a segment that only the primary can close: the newest LSN that any backup waits for.
 * That wish stays when nobody waits any more; the primary has long passed it then. A backup that runs although its object
 * was deleted is to be given up: CNPG itself never ends one.
 */
export function planWishes(report: InstanceReport, deletedBackup?: string): Wishes {
  const waitedFor = entriesOf(report).flatMap(([, entry]) => lsnOf(entry.backup?.waitingForLSN) ?? []);
  const all = [...waitedFor, ...[lsnOf(report.spec?.switchWalAfter)].flatMap((lsn) => lsn ?? [])];
  return {
    ...(all.length > 0 && { switchWalAfter: formatLsn(all.reduce((one, other) => (one > other ? one : other))) }),
    ...(deletedBackup !== undefined && { cancelBackup: deletedBackup }),
  };
}

const lsnOf = (text: string | undefined): bigint | undefined => (text === undefined ? undefined : parseLsn(text));

export interface Announcement {
  readonly type: "Normal" | "Warning";
  readonly reason: "RestoreWaiting" | "RestoreFailed";
  readonly message: string;
}

/** What people should hear about restores of this Cluster. */
export const planAnnouncements = (report: InstanceReport): Announcement[] =>
  entriesOf(report).flatMap(([pod, { restore }]): Announcement[] => {
    const message = `${pod}: ${restore?.message ?? ""}`;
    if (restore?.phase === "Waiting") return [{ type: "Warning", reason: "RestoreWaiting", message }];
    if (restore?.phase === "Failed") return [{ type: "Warning", reason: "RestoreFailed", message }];
    return [];
  });
