// WAL that a repository will never have, because the queue outgrew archive.pushQueueMax, as the sidecars tell it. Pure.
import { compareSegments, parseSegmentName, type SegmentName } from "#postgres/segment.ts";
import type { WalGap } from "#repository/recovery-window.ts";
import type { Entry } from "./forecast.ts";
import type { ObservedRepository } from "./terms.ts";

export interface RepositoryGap extends WalGap {
  readonly repository: number;
}

/** Each segment in each repository that lacks it, of all instances: who was primary then may not be it now. */
export const gapsIn = (entries: readonly Entry[]): readonly RepositoryGap[] =>
  entries
    .flatMap(({ gaps }) => gaps ?? [])
    .flatMap(({ segment, repositories }) => {
      const name = parseSegmentName(segment);
      return name === undefined ? [] : repositories.map((repository) => ({ repository, first: name, last: name }));
    })
    .toSorted((a, b) => compareSegments(a.first, b.first));

/** Those that no full backup of the repository lies behind yet: from such a one on nothing is missing. */
export const openGaps = (
  gaps: readonly RepositoryGap[],
  repositories: readonly ObservedRepository[],
): readonly RepositoryGap[] =>
  gaps.filter(({ repository, last }) => {
    const backups = repositories.find(({ key }) => key === repository)?.content?.catalog.backups ?? [];
    return !backups.some(
      ({ type, status, beginWal }) => type === "full" && status === "done" && isAfter(beginWal, last),
    );
  });

const isAfter = (beginWal: SegmentName | undefined, gap: SegmentName): boolean =>
  beginWal !== undefined && compareSegments(beginWal, gap) > 0;

/** What no repository has: only that stops a restore of the whole. */
export const gapsEverywhere = (gaps: readonly RepositoryGap[], repositories: number): readonly WalGap[] =>
  [...Map.groupBy(gaps, ({ first }) => first).values()]
    .filter((same) => new Set(same.map(({ repository }) => repository)).size === repositories)
    .flatMap(([gap]) => (gap === undefined ? [] : [gap]));
