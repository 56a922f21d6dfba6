// The backups of all repositories of a stanza as one catalog. Pure.
import type { BackupRecord, Catalog } from "#repository/catalog.ts";
import type { ObservedRepository } from "./terms.ts";

/**
 * Also of repositories that could be read before and not now: nothing says that those backups are gone. A backup that is in
 * several of them, because the bucket was copied, is one: the first that has it counts, and the others stand in `alsoIn`.
 */
export function mergeCatalogs(repositories: readonly ObservedRepository[]): Catalog {
  const catalogs = repositories.flatMap(({ content }) => content?.catalog ?? []);
  const endMs = ({ endTime }: BackupRecord): number => endTime?.getTime() ?? Infinity;
  const byId = Map.groupBy(
    catalogs.flatMap(({ backups }) => backups),
    ({ id }) => id,
  );
  return {
    server: catalogs[0]?.server ?? "",
    backups: [...byId.values()].flatMap(asOne).toSorted((a, b) => endMs(a) - endMs(b) || 0),
    unreadable: catalogs.flatMap(({ unreadable }) => unreadable),
  };
}

function asOne([first, ...copies]: readonly BackupRecord[]): readonly BackupRecord[] {
  if (first === undefined) return [];
  const alsoIn = copies.flatMap(({ repository }) => repository ?? []);
  return [{ ...first, ...(alsoIn.length > 0 && { alsoIn }) }];
}
