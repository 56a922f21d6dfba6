// WAL that a repository will never have, because the queue outgrew archive.pushQueueMax: as the sidecars tell it, over and
// over, and as the Stanza's status keeps it. Pure.
import type { InstanceEntry } from "#engine/report/reporter.ts";
import { compareSegments, parseSegmentName, type SegmentName } from "#postgres/segment.ts";
import type { WalGap } from "#repository/recovery-window.ts";
import type { ObservedRepository, RepositoryStatus } from "./terms.ts";

export interface RepositoryGap extends WalGap {
  readonly repository: number;
  /** When it was given up. */
  readonly at: string;
}

/** Without content it was never read by this process. */
export type GapRepository = Pick<ObservedRepository, "key" | "location" | "content">;

export interface GapSources {
  /** Of all instances: who was primary then may not be it now. */
  readonly entries: readonly InstanceEntry[];
  /** The rows of the look before. */
  readonly previous: readonly RepositoryStatus[];
  readonly repositories: readonly GapRepository[];
}

/** Each segment in each repository that lacks it. */
export function knownGaps({ entries, previous, repositories }: GapSources): readonly RepositoryGap[] {
  const kept = repositories.flatMap(({ key, location }) => keptIn(rowBefore(previous, location), key));
  const reported = reportedIn(entries).filter((gap) => {
    const repository = repositories.find(({ key }) => key === gap.repository);
    return repository !== undefined && (repository.content !== undefined || isNews(gap, repository, previous));
  });
  const each = Map.groupBy([...kept, ...reported], ({ repository, first }) => `${repository} ${first}`);
  return [...each.values()]
    .flatMap(([gap]) => gap ?? [])
    .toSorted((a, b) => compareSegments(a.first, b.first) || a.repository - b.repository);
}

const reportedIn = (entries: readonly InstanceEntry[]): readonly RepositoryGap[] =>
  entries
    .flatMap(({ gaps }) => gaps ?? [])
    .flatMap(({ segment, repositories, at }) => {
      const name = parseSegmentName(segment);
      return name === undefined ? [] : repositories.map((repository) => ({ repository, first: name, last: name, at }));
    });

/** Its ends: what is known to be missing of it after the sidecar has forgotten the rest. */
const keptIn = (row: RepositoryStatus | undefined, repository: number): readonly RepositoryGap[] =>
  [row?.gap?.segment, row?.gap?.lastSegment].flatMap((segment) => {
    const name = parseSegmentName(segment ?? "");
    return name === undefined ? [] : [{ repository, first: name, last: name, at: row?.gap?.since ?? "" }];
  });

/** While a repository was never read, a gap that a backup may have made up for since is not told as if it were new. */
function isNews(
  { at }: RepositoryGap,
  { location }: Pick<ObservedRepository, "location">,
  previous: readonly RepositoryStatus[],
): boolean {
  const { lastBackupTime } = rowBefore(previous, location) ?? {};
  return lastBackupTime === undefined || Date.parse(lastBackupTime) < Date.parse(at);
}

/** By location: a number may stand for another place by now. */
const rowBefore = (previous: readonly RepositoryStatus[], location: string): RepositoryStatus | undefined =>
  previous.find((row) => row.location === location);

/** Those that no full backup of the repository lies behind yet: from such a one on nothing is missing. */
export const openGaps = (
  gaps: readonly RepositoryGap[],
  repositories: readonly Pick<ObservedRepository, "key" | "content">[],
): readonly RepositoryGap[] =>
  gaps.filter(({ repository, last }) => {
    const { catalog, former, systemId } = repositories.find(({ key }) => key === repository)?.content ?? {};
    return !catalog?.backups.some((backup) => {
      if (backup.type !== "full" || backup.status !== "done" || backup.beginWal === undefined) return false;
      const isUpgraded = former !== undefined && backup.systemId === systemId;
      return compareSegments(backup.beginWal, last) > 0 || (isUpgraded && isFurther(backup.beginWal, last));
    });
  });

/** A major upgrade goes on with the numbers of the segments, on timeline 1 again. */
const isFurther = (one: SegmentName, other: SegmentName): boolean => one.slice(8) > other.slice(8);

/** The rows with what is open in each, and nothing that is not. */
export const withGaps = (
  rows: readonly RepositoryStatus[],
  open: readonly RepositoryGap[],
  previous: readonly RepositoryStatus[],
): readonly RepositoryStatus[] =>
  rows.map(({ gap: _stale, ...row }) => {
    const here = open.filter(({ repository }) => repository === row.key);
    const [first, last] = [here[0], here.at(-1)];
    if (first === undefined || last === undefined) return row;
    const before = rowBefore(previous, row.location)?.gap;
    const backup = before?.segment === first.first ? before.backup : undefined;
    return {
      ...row,
      gap: {
        segment: first.first,
        lastSegment: last.first,
        since: first.at,
        ...(backup !== undefined && { backup }),
      },
    };
  });

/** Those whose gap was not told at the look before. */
export const newlyGapped = (
  rows: readonly RepositoryStatus[],
  previous: readonly RepositoryStatus[],
): readonly RepositoryStatus[] =>
  rows.filter(({ gap, location }) => gap !== undefined && rowBefore(previous, location)?.gap?.segment !== gap.segment);

export const describeGap = (repository: number, first: string): string =>
  `repository ${repository} lacks segment ${first}, given up when WAL outgrew archive.pushQueueMax: make a full backup with selectedRepository: ${repository}`;
