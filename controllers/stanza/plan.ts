// What one look at a Stanza means: its status, the Archive that stands for it, and a record for each backup that has none.
// Pure. What could not be read changes no fact that was read before; the conditions beside it say that it is not known.
import { shortHash } from "#api/names.ts";
import type { Archive } from "#api/gen/archive.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import { timestamp } from "#kube/timestamp.ts";
import { recoveryWindow, type RecoveryWindow } from "#repository/recovery-window.ts";
import { parseSegmentName, type SegmentName } from "#postgres/segment.ts";
import {
  livingOf,
  msUntilReportIsOld,
  planArchive,
  planUnread,
  type ArchiveInput,
  type LivingCluster,
  type PlannedArchive,
} from "../archive/plan.ts";
import { planRecords, type PlannedRecord } from "../archive/plan-records.ts";
import { entriesOf, primaryEntry } from "../instance-report.ts";
import type { Problem } from "../opening-problem.ts";
import type { Verdict } from "../verdict.ts";
import { catalogSynced } from "./catalog-synced.ts";
import { stanzaConditions } from "./conditions.ts";
import { planGapBackups, withAsked, type GapBackupPlan } from "./gap-backup.ts";
import { gapsInShort } from "./gaps-in-short.ts";
import { grownFacts, later } from "./grown-facts.ts";
import { forecast, type WalSample } from "./forecast.ts";
import { formerStatus } from "./former-status.ts";
import { mergeCatalogs } from "./merge.ts";
import { missingEverywhere } from "./missing-wal.ts";
import { formerSystems, presentSystem } from "./systems.ts";
import { describeRepositories } from "./repositories-status.ts";
import { problemIn } from "./repository-problem.ts";
import { windowProof } from "./window-proof.ts";
import { knownGaps, newlyGapped, openGaps, withGaps, type GapRepository, type RepositoryGap } from "./wal-gaps.ts";
import type { Look, ObservedRepository, RepositoryStatus, Status } from "./terms.ts";

export interface ObservedStanza {
  readonly stanza: Stanza;
  readonly look: Look;
  /** Those that were made for it before. */
  readonly archives: readonly Archive[];
  /** All Backups of the namespace. */
  readonly backups: readonly Backup[];
  /** Living Clusters of the namespace that are told to archive to it. */
  readonly clusters: readonly LivingCluster[];
  /** Where the primary's WAL was at an earlier look. */
  readonly walBefore?: WalSample | undefined;
  readonly now: Date;
}

export interface StanzaPlan {
  readonly facts: Omit<Status, "conditions" | "observedGeneration" | "retention" | "verification">;
  readonly verdicts: readonly Verdict[];
  readonly archives: readonly PlannedArchive[];
  readonly records: readonly PlannedRecord[];
  /** Rows with a gap that is to be told. */
  readonly newGaps: readonly RepositoryStatus[];
  readonly gapBackups: readonly GapBackupPlan[];
  readonly requeueAfterMs: number;
}

const requeueFailingMs = 20_000;

export function planStanza(observed: ObservedStanza): StanzaPlan {
  const { stanza, look, now } = observed;
  const generation = stanza.metadata.generation ?? 1;
  if (look.kind === "unopened") return withoutLook(observed, look.problem);
  const { repositories } = look;
  const primary = primaryOf(observed);
  const told = forecast(observed.walBefore, primary);
  const previous = stanza.status?.repositories ?? [];
  const gaps = gapsOf(observed, repositories);
  const open = openGaps(gaps, repositories);
  const systemBefore = stanza.status?.systemID ?? presentSystem(repositories);
  const newestBefore = systemBefore === presentSystem(repositories) ? newestOf(previous) : undefined;
  const verdicts = stanzaConditions({
    look,
    generation,
    ...(newestBefore !== undefined && { newestBefore }),
    ...(told !== undefined && { forecast: told }),
    gaps: open,
  });
  const isReady = isAllUsable(verdicts);
  const input = archiveInput(observed, repositories);
  const gapped = withGaps(describeRepositories(repositories, previous, gaps), open, previous);
  const gapBackups = planGapBackups({ ...observed, rows: gapped });
  const rows = withAsked(gapped, gapBackups);
  return {
    facts: { lastCheckedTime: timestamp(now), ...summary(observed, look, rows) },
    verdicts,
    archives: archivesOf(observed, input, repositories),
    records: planRecords({
      ...input,
      server: { ...input.server, catalog: readNow(repositories) },
      backups: observed.backups,
    }),
    newGaps: newlyGapped(rows, previous),
    gapBackups,
    requeueAfterMs: Math.min(isReady ? requeueReadyMs(stanza) : requeueFailingMs, msUntilReportIsOld(input)),
  };
}

/** Ready, with every repository: else it is looked again soon. */
export const isAllUsable = (conditions: readonly { readonly type: string; readonly status: string }[] = []): boolean =>
  ["Ready", "RepositoriesReachable"].every((needed) =>
    conditions.some(({ type, status }) => type === needed && status === "True"),
  );

/** A minute, spread by name so that many stanzas are not read at the same moment. */
const requeueReadyMs = ({ metadata }: Stanza): number =>
  55_000 + (Number.parseInt(shortHash(metadata.uid ?? metadata.name, 4), 16) % 10_000);

export const primaryOf = ({ clusters }: Pick<ObservedStanza, "clusters">) =>
  clusters[0]?.report && primaryEntry(clusters[0].report);

const gapsOf = (observed: ObservedStanza, repositories: readonly GapRepository[]): readonly RepositoryGap[] =>
  knownGaps({
    entries: entriesOf(observed.clusters[0]?.report).map(([, entry]) => entry),
    previous: observed.stanza.status?.repositories ?? [],
    repositories,
  });

/** Nothing without an end of the archive: then not even a backup is known to have its WAL. */
function windowOf(observed: ObservedStanza, repositories: readonly ObservedRepository[]): RecoveryWindow {
  const end = observed.look.kind === "looked" ? observed.look.end : undefined;
  if (end === undefined) return {};
  const { name, commitTime } = end;
  return recoveryWindow({
    catalog: mergeCatalogs(repositories),
    systemId: presentSystem(repositories),
    newestWal: { name, ...(commitTime !== undefined && { commitTime }) },
    gaps: missingEverywhere(repositories, gapsOf(observed, repositories)),
  });
}

function withoutLook(observed: ObservedStanza, problem: Problem): StanzaPlan {
  const { stanza, archives, look, now } = observed;
  const { conditions: _old, observedGeneration: _seen, checks: _checks, ...previous } = stanza.status ?? {};
  const { retention: _retention, verification: _verification, walGaps: _gaps, ...facts } = previous;
  const message = `the repositories cannot be read: ${problem.message}`;
  const before = facts.repositories ?? [];
  const gaps = gapsOf(observed, before);
  const unread = before.map(({ message: _said, ...row }) => ({ ...row, state: "Unknown" as const }));
  const rows = withGaps(unread, gaps, before);
  return {
    facts: { ...facts, lastCheckedTime: timestamp(now), ...(facts.repositories && { repositories: [...rows] }) },
    verdicts: stanzaConditions({ look, generation: stanza.metadata.generation ?? 1, gaps }),
    archives: archives.map((archive) => planUnread(archive, { status: "Unknown", reason: problem.reason, message })),
    records: [],
    newGaps: newlyGapped(rows, before),
    gapBackups: [],
    requeueAfterMs: requeueFailingMs,
  };
}

const newestOf = (rows: readonly RepositoryStatus[]): SegmentName | undefined =>
  rows
    .flatMap(({ lastWal }) => parseSegmentName(lastWal ?? "") ?? [])
    .toSorted()
    .at(-1);

function archiveInput(observed: ObservedStanza, repositories: readonly ObservedRepository[]): ArchiveInput {
  const { stanza, look, clusters, now } = observed;
  const { end, owner } = look.kind === "looked" ? look : {};
  const { windowFrom, windowTo } = windowOf(observed, repositories);
  const systemID = presentSystem(repositories);
  return {
    store: { kind: "Stanza", object: stanza },
    server: {
      server: stanza.spec.stanzaConfiguration.name,
      catalog: mergeCatalogs(repositories),
      ...(systemID !== undefined && { systemID }),
      ...(owner?.cluster && { owner: { systemID: owner.systemId, cluster: owner.cluster } }),
      ...(end && { newestWal: { name: end.name, ...(end.storedAt && { time: end.storedAt }) } }),
      ...(windowFrom && { window: { from: windowFrom, ...(windowTo && { to: windowTo }) } }),
    },
    clusters,
    catalogSynced: catalogSynced(repositories),
    proof: windowProof(repositories, gapsOf(observed, repositories), primaryOf(observed)),
    now,
  };
}

/**
 * One row for the stanza, once there is something of it. While a repository was never read by this process, the counts of
 * before stand: the others alone would make them smaller.
 */
function archivesOf(
  { archives, stanza }: ObservedStanza,
  input: ArchiveInput,
  repositories: readonly ObservedRepository[],
): readonly PlannedArchive[] {
  const isWhole = repositories.every(({ isRead, content }) => isRead || content !== undefined);
  const hasStanza = repositories.some(({ state }) => state !== "NoStanza");
  const isLiving = livingOf(input) !== undefined;
  const planned = planArchive(input);
  if (isWhole) return hasStanza || isLiving ? [planned] : [];
  const before = archives.find(({ metadata }) => metadata.name === planned.name);
  if (before === undefined || stanza.metadata.uid !== before.status?.repository?.uid) return [planned];
  const { status, reason, message } = catalogSynced(repositories);
  const unread = planUnread(before, { status, reason, message });
  return [input.proof === undefined ? unread : { ...planned, facts: grownFacts(unread.facts, planned.facts) }];
}

/** Records are made only of what a repository lists now. */
const readNow = (repositories: readonly ObservedRepository[]) =>
  mergeCatalogs(repositories.filter(({ isRead }) => isRead));

function summary(
  observed: ObservedStanza,
  { repositories }: Extract<Look, { kind: "looked" }>,
  rows: readonly RepositoryStatus[],
): StanzaPlan["facts"] {
  const { stanza, clusters } = observed;
  const usable = repositories.filter((repository) => problemIn(repository) === undefined);
  const sum = (type: "full" | "diff" | "incr"): number => rows.reduce((total, row) => total + (row[type] ?? 0), 0);
  const isWhole = repositories.every(({ isRead, content }) => isRead || content !== undefined);
  const newest = rows
    .flatMap(({ lastBackupTime }) => lastBackupTime ?? [])
    .toSorted()
    .at(-1);
  const { windowFrom: fromBefore, windowTo: toBefore, recoveryWindow, backupsCount } = stanza.status ?? {};
  const window = windowOf(observed, repositories);
  const from = window.windowFrom && timestamp(window.windowFrom);
  const to = window.windowTo && timestamp(window.windowTo);
  const systemID = presentSystem(repositories) ?? stanza.status?.systemID;
  const former = isWhole ? formerSystems(repositories) : (stanza.status?.formerSystems ?? []);
  const checks = repositories.flatMap(({ key, checks: each }) =>
    each.map((check) => ({ ...check, name: `repo${key}/${check.name}` })),
  );
  const walGaps = gapsInShort(repositories, rows);
  const [windowFrom, windowTo] = isWhole ? [from, to] : [fromBefore ?? from, later(toBefore, to)];
  return {
    stanza: stanza.spec.stanzaConfiguration.name,
    ...(systemID !== undefined && { systemID }),
    ...(former.length > 0 && { formerSystems: former }),
    ...(clusters[0] && { cluster: { name: clusters[0].name } }),
    repositories: [...rows],
    repositorySummary: `${usable.length}/${repositories.length}`,
    backupSummary: `${sum("full")}/${sum("diff")}/${sum("incr")}`,
    ...(newest !== undefined && { lastBackupTime: newest }),
    ...(windowFrom !== undefined && { windowFrom }),
    ...(windowTo !== undefined && { windowTo }),
    ...(walGaps !== undefined && { walGaps }),
    ...(checks.length > 0 && { checks }),
    ...(isWhole
      ? formerStatus(repositories)
      : { ...(recoveryWindow && { recoveryWindow }), ...(backupsCount && { backupsCount }) }),
  };
}
