// What no restore can replay over: in one repository, and in all together, of which each may have what another lacks. Pure.
import { defaultSegmentBytes, formatSegmentName, previousSegment } from "#postgres/segment.ts";
import type { WalGap } from "#repository/recovery-window.ts";
import type { ObservedRepository, RepositoryContent } from "./terms.ts";
import type { RepositoryGap } from "./wal-gaps.ts";

type Repository = Pick<ObservedRepository, "key" | "content">;

const firstOfAll = formatSegmentName({ timeline: 1, segment: 0n }, defaultSegmentBytes);

/** What was found missing in it, and what is told to be given up there. */
export const missingIn = (
  { key, content }: Repository & { readonly content: RepositoryContent },
  told: readonly RepositoryGap[],
): readonly WalGap[] => [
  ...listedIn(content),
  ...told.filter(({ repository }) => repository === key).map(({ first, last }) => ({ first, last })),
];

/** While it could not be listed, only the WAL from its newest backup on is taken for whole: no retention removes of that. */
function listedIn({ continuity, catalog }: RepositoryContent): readonly WalGap[] {
  if (continuity !== undefined) return [...(continuity.before ? [continuity.before] : []), ...continuity.between];
  const newest = catalog.backups.findLast(({ status }) => status === "done");
  if (newest?.beginWal === undefined || newest.beginWal <= firstOfAll) return [];
  return [{ first: firstOfAll, last: previousSegment(newest.beginWal, newest.segmentBytes ?? defaultSegmentBytes) }];
}

/** What all of them lack. One without WAL adds nothing, and of one that was never read nothing is hoped for. */
export function missingEverywhere(
  repositories: readonly Repository[],
  told: readonly RepositoryGap[],
): readonly WalGap[] {
  const each = repositories.flatMap(({ key, content }) =>
    content?.newestWal === undefined ? [] : [missingIn({ key, content }, told)],
  );
  const [first = [], ...rest] = each;
  return rest.reduce(
    (common, gaps) => common.flatMap((one) => gaps.flatMap((other) => intersection(one, other) ?? [])),
    first,
  );
}

/** Names are in the order of the WAL. */
function intersection(a: WalGap, b: WalGap): WalGap | undefined {
  const first = a.first > b.first ? a.first : b.first;
  const last = a.last < b.last ? a.last : b.last;
  return first <= last ? { first, last } : undefined;
}
