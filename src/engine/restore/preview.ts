// Whether a recovery target can be reached from what a store holds, and from which backup. Reads listings, small objects
// and the last segments of the archive; writes nothing.
import { parseRecoveryTarget, type RecoveryTarget, type RecoveryTargetBlock } from "#postgres/recovery-target.ts";
import { defaultSegmentBytes, segmentLsnRange, segmentTimeline } from "#postgres/segment.ts";
import type { HistoryEntry } from "#postgres/timeline.ts";
import type { BackupRecord, Catalog } from "#repository/catalog.ts";
import { chooseBackup, type RefusalReason } from "#repository/choose-backup.ts";
import type { NewestWal, Repository } from "#repository/repository.ts";
import { requiredWal } from "../backup/plan.ts";
import { judgeReach } from "./reach.ts";

export type UnreachableReason = RefusalReason | "InvalidTarget" | "TargetAfterArchive" | "WalMissing";

export type RecoveryPreview =
  /** "unknown": nothing speaks against it, but it could not be proven; `why` says what is missing. Never a refusal. */
  | { readonly kind: "reachable" | "unknown"; readonly backup: BackupRecord; readonly why: string }
  | { readonly kind: "unreachable"; readonly reason: UnreachableReason; readonly message: string };

export interface PreviewOptions {
  readonly repository: Repository;
  readonly server: string;
  /** The recoveryTarget block of the Cluster; absent: all WAL from the newest backup. */
  readonly target: RecoveryTargetBlock | undefined;
  /** Of the PostgreSQL that is to recover, where that is known. */
  readonly postgresMajor?: number | undefined;
  readonly signal: AbortSignal;
}

/** Longer stretches of WAL are not looked through for gaps: 0.8 TB, 50 listings. */
const segmentsMax = 50_000n;

/** Throws StoreError when the store does not answer; everything else is in the answer. */
export async function previewRecovery(options: PreviewOptions): Promise<RecoveryPreview> {
  const { repository, server, postgresMajor, signal } = options;
  const parsed = parseRecoveryTarget(options.target);
  if (parsed.kind === "invalid") {
    const message = parsed.violations.map(({ field, message }) => `${field}: ${message}`).join("; ");
    return { kind: "unreachable", reason: "InvalidTarget", message };
  }
  const { target } = parsed;
  const catalog = await repository.catalog(server, { signal });
  const servers = catalog.backups.length === 0 ? await repository.servers({ signal }) : [];
  const histories = await readHistories(options, target);
  const choice = chooseBackup({ catalog: atTheirEnds(catalog), target, servers, histories, postgresMajor });
  if (choice.kind === "refused") return { kind: "unreachable", reason: choice.reason, message: choice.why };
  const { why } = choice;
  const backup = catalog.backups.find(({ id }) => id === choice.backup.id) ?? choice.backup;
  const end = await repository.newestWal(server, {
    ...ofVersion(backup, signal),
    nameOnly: target.goal.kind !== "time",
  });
  const segmentBytes = backup.segmentBytes ?? defaultSegmentBytes;
  const missing = await findGaps(options, { backup, end, histories });
  const reach = judgeReach({ backup, target, end, segmentBytes, missing });
  if (reach.kind === "unreachable") return reach;
  return reach.kind === "reachable"
    ? { kind: "reachable", backup, why }
    : { kind: "unknown", backup, why: `${why}; ${reach.why}` };
}

/**
 * The catalog with each backup on the timeline it ended on. That is where its end position lies, which replay must pass
 * on its way; the record names the one it began on, and a standby can follow a failover in between.
 */
const atTheirEnds = (catalog: Catalog): Catalog => ({
  ...catalog,
  backups: catalog.backups.map((backup) =>
    backup.endWal === undefined ? backup : { ...backup, timeline: segmentTimeline(backup.endWal) },
  ),
});

/** The WAL of the backup's own database: a major upgrade begins another archive. */
const ofVersion = ({ postgresMajor }: Pick<PreviewOptions, "postgresMajor">, signal: AbortSignal) => ({
  signal,
  ...(postgresMajor !== undefined && { postgresMajor }),
});

type Histories = ReadonlyMap<number, readonly HistoryEntry[]>;

/** The history that decides about the target's timeline, where the archive has it. */
async function readHistories(options: PreviewOptions, target: RecoveryTarget): Promise<Histories> {
  if (target.timeline === "current") return new Map();
  const call = ofVersion(options, options.signal);
  const timelines = await options.repository.historyTimelines(options.server, call);
  const timeline = target.timeline === "latest" ? timelines.at(-1) : target.timeline;
  if (timeline === undefined || !timelines.includes(timeline)) return new Map();
  const history = await options.repository.history(options.server, timeline, call);
  return history === undefined ? new Map() : new Map([[timeline, history]]);
}

/**
 * What is missing from the backup's begin to the end of the archive, or to its own end where the archive does not even
 * come so far; undefined when that cannot be looked up.
 */
async function findGaps(
  { repository, server, signal }: PreviewOptions,
  known: { readonly backup: BackupRecord; readonly end: NewestWal | undefined; readonly histories: Histories },
): Promise<readonly string[] | undefined> {
  const { beginLsn, beginWal, endWal, segmentBytes = defaultSegmentBytes } = known.backup;
  if (beginLsn === undefined || beginWal === undefined || endWal === undefined) return undefined;
  const last = known.end === undefined || known.end.name < endWal ? endWal : known.end.name;
  const endLsn = segmentLsnRange(last, segmentBytes).end;
  if ((endLsn - beginLsn) / BigInt(segmentBytes) > segmentsMax) return undefined;
  const endTimeline = segmentTimeline(last);
  const history = known.histories.get(endTimeline) ?? [];
  const beginTimeline = segmentTimeline(beginWal);
  const names = requiredWal({ beginLsn, beginTimeline, endLsn, endTimeline, segmentBytes, history });
  return names === undefined ? undefined : await repository.missingFiles(server, names, { signal });
}
