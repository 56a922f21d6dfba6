// The gaps of a Stanza's WAL in few words, for a column. Pure. That there is none is said only when every archive was listed,
// and every repository can be read now.
import type { ObservedRepository, RepositoryStatus } from "./terms.ts";

const textMax = 300;

/** "none found", "repo1: 000000010000000000000004 to 000000010000000000000005 and 2 more"; undefined: it is not known. */
export function gapsInShort(
  repositories: readonly Pick<ObservedRepository, "key" | "content" | "isRead">[],
  rows: readonly Pick<RepositoryStatus, "key" | "gap">[],
): string | undefined {
  const found = rows.flatMap(({ key, gap }) => {
    const listed = repositories.find((repository) => repository.key === key)?.content?.continuity?.between ?? [];
    const told = gap === undefined ? [] : [{ first: gap.segment, last: gap.lastSegment ?? gap.segment }];
    const isListed = ({ first, last }: { first: string; last: string }): boolean =>
      listed.some((other) => other.first <= first && last <= other.last);
    const [newest, ...older] = [...listed, ...told.filter((each) => !isListed(each))]
      .toSorted((a, b) => (a.first < b.first ? -1 : 1))
      .toReversed();
    if (newest === undefined) return [];
    const range = newest.first === newest.last ? newest.first : `${newest.first} to ${newest.last}`;
    return [`repo${key}: ${range}${older.length === 0 ? "" : ` and ${older.length} more`}`];
  });
  if (found.length > 0) return found.join(", ").slice(0, textMax);
  const isWhole = repositories.every(
    ({ content, isRead }) =>
      isRead && content !== undefined && (content.newestWal === undefined || content.continuity !== undefined),
  );
  return isWhole && repositories.some(({ content }) => content?.newestWal !== undefined) ? "none found" : undefined;
}
