// The terms in which a Backup is observed and judged. Pure.
import type { Reason } from "#api/conditions.ts";
import type { Backup } from "#api/gen/backup.ts";
import { deadlineMs } from "#api/backup-request.ts";
import { labels } from "#api/names.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { StoreKind } from "../store-key.ts";
import type { RepositoryFacts } from "./status.ts";

export type Status = NonNullable<Backup["status"]>;
export type Phase = NonNullable<Status["phase"]>;

/** What the catalog says of the backup id: listed, proven absent, or not to be known now. */
export type InStore =
  | { readonly kind: "present"; readonly record: BackupRecord; readonly repository: RepositoryFacts }
  /** `dataLeft`: its folder is there, without a backup.info. */
  | { readonly kind: "absent"; readonly repository: RepositoryFacts; readonly dataLeft: boolean }
  /** The last look began before the backup was found whole: it says nothing of it. */
  | { readonly kind: "older" }
  /** The store is about to be looked at for the first time since this process leads. */
  | { readonly kind: "unread"; readonly message: string }
  | { readonly kind: "unknown"; readonly reason: Reason; readonly message: string };

/** What was found when the backup was looked at itself, at its completion. */
export type Check =
  | { readonly kind: "whole"; readonly record: BackupRecord; readonly repository: RepositoryFacts }
  | {
      readonly kind: "broken";
      readonly reason: Reason;
      readonly message: string;
      readonly record?: BackupRecord;
      readonly repository: RepositoryFacts;
    }
  | { readonly kind: "unknown"; readonly reason: Reason; readonly message: string };

/** The CNPG Backup that does the work of ours. */
export interface Work {
  readonly name: string;
  readonly phase: string;
  readonly backupId?: string;
  readonly error?: string;
  readonly instance?: string;
  readonly startedAt?: string;
  /** What the sidecar said of the backup beside its id. */
  readonly said?: Pick<Status, "type" | "typeReason" | "prior" | "selectedRepository">;
}

/** The backups of the same Cluster that come before this one. */
export interface Queue {
  readonly length: number;
  /** The last of them. */
  readonly behind?: string;
}

export interface Progress {
  readonly bytesDone?: number;
  readonly bytesTotal?: number;
  readonly bytesPerSecond?: number;
  readonly waitingForSegment?: string;
}

export interface Observed {
  readonly backup: Backup;
  /** Fields of spec that cannot be accepted, in one line; absent when it is valid. */
  readonly invalid?: string;
  /** The Cluster of a request; "no-plugin" when it exists without our plugin. */
  readonly cluster: "found" | "missing" | "no-plugin";
  /** Of the store that it is or will be in, where that is known. */
  readonly storeKind?: StoreKind;
  /** The newest of its CNPG Backups. */
  readonly work?: Work;
  /** How many CNPG Backups were made for it. */
  readonly attempts: number;
  /** Those that CNPG has not ended; only of a request. */
  readonly unfinished: readonly string[];
  readonly queue: Queue;
  readonly inStore: InStore;
  /** Only once CNPG calls it completed, and until it is Completed. */
  readonly check?: Check;
  readonly progress?: Progress;
  readonly now: Date;
}

export type Action =
  /** Make a CNPG Backup for this request. */
  | { readonly kind: "createWork"; readonly attempt: number; readonly why: string }
  /** Delete the CNPG Backups that still do its work; the sidecar then gives up. */
  | { readonly kind: "cancelWork"; readonly names: readonly string[]; readonly why: string }
  /** Put our finalizer on, or take it off. */
  | { readonly kind: "holdDeletion" | "releaseDeletion"; readonly why: string };

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

export const done = (phase: Phase, ready: Verdict["ready"], reason: Reason, message: string): Plan => ({
  actions: [],
  verdict: { phase, ready, reason, message },
  facts: {},
});

/** Nothing new is known: what was said stands. */
export function keep({ backup: { status } }: Pick<Observed, "backup">): Plan {
  const ready = status?.conditions?.find((condition) => condition.type === "Ready");
  const said = done(
    status?.phase ?? "Pending",
    ready?.status ?? "Unknown",
    (ready?.reason as Reason | undefined) ?? "Progressing",
    ready?.message ?? "",
  );
  return status?.error === undefined ? said : { ...said, facts: { error: status.error } };
}

/** The id by which the store knows this backup, once there is one. A CNPG Backup made again under its name has another. */
export const backupIdOf = ({ backup, work }: Pick<Observed, "backup" | "work">): string | undefined =>
  backup.spec.backupId ?? backup.status?.backupId ?? work?.backupId;

/** Somebody asked us for it: neither a record out of a store nor that of a CNPG Backup made by others. */
export const isRequest = ({ metadata, spec }: Backup): boolean =>
  spec.cluster !== undefined && metadata.labels?.[labels.cnpgBackup] === undefined;

/** Until when a request is to be completed. */
export const deadlineOf = ({ metadata, spec }: Backup, now: Date): Date =>
  new Date((Date.parse(metadata.creationTimestamp ?? "") || now.getTime()) + deadlineMs(spec));

/** gRPC errors reach CNPG's status as "rpc error: code = X desc = Y": people need Y. */
export const oneLine = (text: string): string =>
  text
    .replace(/^.*?rpc error: code = \w+ desc = /s, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 1000);
