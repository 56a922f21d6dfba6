// Retention of one repository by the rules that the Stanza gives it. pgBackRest decides what is too old; here stands what
// must hold before it may: a listing that is true, a rule for full backups, and nothing among it that is to be kept.
import { parseExpireLog, isNothing, type Expired } from "./expire-log.ts";
import { holdAnnotation } from "./annotations.ts";
import { isWholeFull } from "./catalog.ts";
import { readInfo, type BackupInfo } from "./info.ts";
import { ioTimeoutOption } from "./io-timeout.ts";
import type { Pgbackrest } from "./pgbackrest.ts";

export type ExpireOutcome =
  /** Preview: what would go. Enforce: what went. Empty when all is within the rules. */
  | { readonly kind: "planned" | "removed"; readonly repository: number; readonly expired: Expired }
  /** Nothing is done, and nothing is wrong. */
  | { readonly kind: "skipped"; readonly repository: number; readonly reason: SkipReason; readonly why: string }
  /** It would remove what must stay. */
  | { readonly kind: "refused"; readonly repository: number; readonly why: string; readonly expired: Expired };

export type SkipReason = "NoRetention" | "NotTrusted" | "NoFullBackup";

export interface ExpireOptions {
  readonly repository: number;
  readonly mode: "Preview" | "Enforce";
  /** Why a backup must stay, if it must: the last that was verified, the source of a running restore … */
  readonly keep?: (id: string) => string | undefined;
  /** Why nothing may go at all. */
  readonly refusal?: string | undefined;
  /** Backups that were looked at and found broken, which pgBackRest does not know. */
  readonly broken?: ReadonlySet<string>;
  /** With what goes, before it does; nothing goes when this throws. */
  readonly beforeRemoval?: (expired: Expired) => Promise<void>;
  /** For the listing: 30 s unless told. */
  readonly infoDeadlineMs?: number;
  readonly signal: AbortSignal;
}

const infoDeadlineMsDefault = 30_000;
const expireDeadlineMs = 60 * 60_000;
/** A store that hangs is tried up to nine times for so long, and backups to the other repositories wait for the Lease. */
const ioTimeoutSeconds = 6;

/**
 * The caller holds the stanza's Lease: pgBackRest before 2.59 removes a backup that runs on another host. Throws
 * PgbackrestError when a command fails.
 */
export async function expireRepository(pgbackrest: Pgbackrest, options: ExpireOptions): Promise<ExpireOutcome> {
  const { repository, mode, signal, infoDeadlineMs = infoDeadlineMsDefault } = options;
  const skipped = (reason: SkipReason, why: string): ExpireOutcome => ({ kind: "skipped", repository, reason, why });
  const rules = pgbackrest.config.repositories.find(({ key }) => key === repository)?.retention;
  if (rules?.full === undefined) return skipped("NoRetention", "retentionPolicy.full is not set, so all is kept");
  const info = await readInfo(pgbackrest, { repository, deadlineMs: infoDeadlineMs, signal });
  const [said] = info.repositories;
  if (said?.state === "NoBackup") return skipped("NoFullBackup", "there is no backup in it yet");
  if (said?.state !== "Ok")
    return skipped("NotTrusted", `the repository's listing cannot be trusted: ${said?.status.message ?? "no answer"}`);
  if (!info.backups.some(isSound(options))) return skipped("NoFullBackup", "no full backup in it is whole");
  const planned = await expire(pgbackrest, options, true);
  if (isNothing(planned)) return { kind: mode === "Preview" ? "planned" : "removed", repository, expired: planned };
  const why = options.refusal ?? obstacleTo(planned, info.backups, options);
  if (why !== undefined) return { kind: "refused", repository, why, expired: planned };
  if (mode === "Preview") return { kind: "planned", repository, expired: planned };
  await options.beforeRemoval?.(planned);
  return { kind: "removed", repository, expired: await expire(pgbackrest, options, false) };
}

async function expire(pgbackrest: Pgbackrest, { repository, signal }: ExpireOptions, isDry: boolean): Promise<Expired> {
  const lines: string[] = [];
  await pgbackrest.run("expire", {
    options: [
      "--log-level-console=info",
      ...ioTimeoutOption(pgbackrest.config, ioTimeoutSeconds),
      ...(isDry ? ["--dry-run"] : []),
    ],
    repository,
    deadlineMs: expireDeadlineMs,
    signal,
    onLine: (line) => void lines.push(line),
  });
  return parseExpireLog(lines);
}

type Knowledge = Pick<ExpireOptions, "keep" | "broken">;

const isSound =
  ({ broken }: Knowledge) =>
  (backup: BackupInfo): boolean =>
    isWholeFull(backup) && broken?.has(backup.label) !== true;

/** Pure. Each backup that stays needs all that it builds upon, and a full one that is whole always stays. */
export function obstacleTo(
  { backups: expired }: Expired,
  listed: readonly BackupInfo[],
  { keep = () => undefined, broken = new Set() }: Knowledge = {},
): string | undefined {
  const gone = new Set(expired.map(({ id }) => id));
  const staying = listed.filter(({ label }) => !gone.has(label));
  const sound = listed.filter(isSound({ broken })).at(-1);
  if (sound === undefined) return "no full backup that is whole would be left";
  if (gone.has(sound.label) && !staying.some(isSound({ broken })))
    return `backup ${sound.label} would go: it is the last full backup that is whole`;
  for (const { label, annotations } of listed) {
    if (!gone.has(label)) continue;
    const why = annotations[holdAnnotation] === undefined ? keep(label) : `it is held (${holdAnnotation})`;
    if (why !== undefined) return `backup ${label} would go: ${why}`;
  }
  const orphan = staying.find(({ references }) => references.some((label) => gone.has(label)));
  return orphan === undefined ? undefined : `backup ${orphan.label} would lose what it builds upon`;
}
