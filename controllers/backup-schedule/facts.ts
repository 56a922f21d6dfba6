// What is known of one BackupSchedule when it is looked at. Pure.
import type { Agenda } from "#api/backup-schedule.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";

export type Status = NonNullable<BackupSchedule["status"]>;

/** A Backup that carries the schedule's label. */
export interface Run {
  readonly name: string;
  readonly uid: string;
  readonly createdAt: Date;
  /** Absent when someone else put the label on it. */
  readonly planned?: Date;
  readonly phase: string;
  readonly isDeleting: boolean;
  /** The store knows it, whole or not. */
  readonly isStored: boolean;
  readonly reason?: string;
  readonly message?: string;
}

export interface Observed {
  readonly schedule: BackupSchedule;
  readonly now: Date;
  /** Fields of spec that cannot be accepted, in one line; absent when it is valid. */
  readonly invalid?: string;
  /** Present when the spec is valid. */
  readonly agenda?: Agenda;
  /** The Cluster; "no-plugin" when it exists without our plugin. */
  readonly cluster: "found" | "missing" | "no-plugin";
  readonly runs: readonly Run[];
  /** Why the last try to make a Backup failed; absent when it did not. */
  readonly trouble?: string;
}

export const isActive = ({ phase }: Run): boolean => !["Completed", "Failed", "Missing", "Expiring"].includes(phase);
