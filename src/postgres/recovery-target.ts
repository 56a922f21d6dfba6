// The recoveryTarget block of a CNPG Cluster (spec.bootstrap.recovery.recoveryTarget), read into one value. It holds
// to what CNPG 1.30 admits (its cluster webhook), and says about each wrong field what is wrong with it. Pure.
import { parseLsn } from "./lsn.ts";
import { parseMoment } from "./timestamp.ts";

/** The block as it stands in the Cluster. */
export interface RecoveryTargetBlock {
  readonly backupID?: string;
  readonly targetTLI?: string;
  readonly targetXID?: string;
  readonly targetName?: string;
  readonly targetLSN?: string;
  readonly targetTime?: string;
  readonly targetImmediate?: boolean;
  readonly exclusive?: boolean;
}

/** Where replay ends. "end" is all the WAL there is. */
export type RecoveryGoal =
  | { readonly kind: "end" }
  /** `micros` since 1970; `text` as the user wrote it. */
  | { readonly kind: "time"; readonly micros: bigint; readonly text: string }
  | { readonly kind: "lsn"; readonly lsn: bigint }
  | { readonly kind: "xid"; readonly xid: number }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "immediate" };

/** "latest": the newest timeline of the archive that descends from the backup's; "current": the backup's own. */
export type TargetTimeline = "latest" | "current" | number;

export interface RecoveryTarget {
  readonly goal: RecoveryGoal;
  readonly timeline: TargetTimeline;
  readonly backupId?: string;
  /** Stop just before the target instead of just after it. */
  readonly exclusive: boolean;
}

export interface TargetViolation {
  readonly field: keyof RecoveryTargetBlock;
  readonly message: string;
}

/** The target of a Cluster that gives none: all WAL, on the latest timeline, from the newest backup. */
export const latestTarget: RecoveryTarget = { goal: { kind: "end" }, timeline: "latest", exclusive: false };

/** Reads the block. All its faults are told at once; an empty text counts as absent, as in CNPG. */
export function parseRecoveryTarget(
  block: RecoveryTargetBlock | undefined,
):
  | { readonly kind: "target"; readonly target: RecoveryTarget }
  | { readonly kind: "invalid"; readonly violations: readonly TargetViolation[] } {
  if (block === undefined) return { kind: "target", target: latestTarget };
  const violations: TargetViolation[] = [];
  const goals: RecoveryGoal[] = [];
  for (const [field, read] of goalReaders) {
    const outcome = read(block);
    if (outcome === undefined) continue;
    if (typeof outcome === "string") violations.push({ field, message: outcome });
    else if (goals.push(outcome) > 1) violations.push({ field, message: "only one recovery target may be given" });
  }
  const timeline = readTimeline(block.targetTLI ?? "");
  if (timeline === undefined) {
    violations.push({ field: "targetTLI", message: `must be "latest", "current" or a number from 1` });
  }
  if (violations.length > 0 || timeline === undefined) return { kind: "invalid", violations };
  const target: RecoveryTarget = {
    goal: goals[0] ?? { kind: "end" },
    timeline,
    exclusive: block.exclusive ?? false,
    ...(block.backupID === undefined || block.backupID === "" ? {} : { backupId: block.backupID }),
  };
  return { kind: "target", target };
}

/** A reader gives the goal, or what is wrong with the field, or undefined when the field is absent. */
type GoalReader = (block: RecoveryTargetBlock) => RecoveryGoal | string | undefined;

const goalReaders: readonly (readonly [keyof RecoveryTargetBlock, GoalReader])[] = [
  ["targetTime", ({ targetTime }) => whenGiven(targetTime, readTime)],
  ["targetLSN", ({ targetLSN }) => whenGiven(targetLSN, readLsn)],
  ["targetXID", ({ targetXID }) => whenGiven(targetXID, readXid)],
  ["targetName", ({ targetName }) => whenGiven(targetName, readName)],
  ["targetImmediate", ({ targetImmediate }) => (targetImmediate === true ? { kind: "immediate" } : undefined)],
];

const whenGiven = (
  text: string | undefined,
  read: (text: string) => RecoveryGoal | string,
): RecoveryGoal | string | undefined => (text === undefined || text === "" ? undefined : read(text));

function readTime(text: string): RecoveryGoal | string {
  const micros = parseMoment(text);
  if (micros === undefined) return "must be a time like 2026-11-21T09:15:00Z or 2026-11-21 09:15:00+00";
  return { kind: "time", micros, text };
}

function readLsn(text: string): RecoveryGoal | string {
  const lsn = parseLsn(text);
  return lsn === undefined ? "must be an LSN like 0/3000028" : { kind: "lsn", lsn };
}

/** PostgreSQL keeps 32 bits of a transaction id here and would cut a longer one in silence. */
function readXid(text: string): RecoveryGoal | string {
  const xid = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return xid <= 0xffff_ffff ? { kind: "xid", xid } : "must be a transaction id, a number below 2^32";
}

/** 63 bytes is what pg_create_restore_point takes. */
function readName(name: string): RecoveryGoal | string {
  if (new TextEncoder().encode(name).length > 63) return "must be shorter than 64 bytes";
  if (/\p{Cc}/u.test(name)) return "must not contain control characters";
  return { kind: "name", name };
}

function readTimeline(text: string): TargetTimeline | undefined {
  if (text === "" || text === "latest") return "latest";
  if (text === "current") return "current";
  const timeline = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  return timeline >= 1 && timeline <= 0xffff_ffff ? timeline : undefined;
}
