// The backups of all repositories of a stanza as one catalog. Pure.
import type { Catalog } from "#repository/catalog.ts";
import type { ObservedRepository } from "./terms.ts";

/** Also of repositories that could be read before and not now: nothing says that those backups are gone. */
export function mergeCatalogs(repositories: readonly ObservedRepository[]): Catalog {
  const catalogs = repositories.flatMap(({ content }) => content?.catalog ?? []);
  const endMs = ({ endTime }: Catalog["backups"][number]): number => endTime?.getTime() ?? Infinity;
  return {
    server: catalogs[0]?.server ?? "",
    backups: catalogs.flatMap(({ backups }) => backups).toSorted((a, b) => endMs(a) - endMs(b) || 0),
    unreadable: catalogs.flatMap(({ unreadable }) => unreadable),
  };
}
