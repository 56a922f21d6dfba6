// The database systems of a stanza: that of now, and those from before major upgrades, whose backups are still there and
// lead to none of its moments. Pure.
import { compareSegments, type SegmentName } from "#postgres/segment.ts";
import { ofSystem, recoveryWindow } from "#repository/recovery-window.ts";
import { timestamp } from "../backup/status.ts";
import { mergeCatalogs } from "./merge.ts";
import type { ObservedRepository, Status } from "./terms.ts";

type FormerSystems = NonNullable<Status["formerSystems"]>;

/** A repository that was away during an upgrade is behind: the one that was upgraded most often knows. */
export const presentSystem = (repositories: readonly ObservedRepository[]): string | undefined =>
  repositories
    .flatMap(({ content }) => (content?.systemId === undefined ? [] : [content]))
    .toSorted((a, b) => (b.databaseId ?? 0) - (a.databaseId ?? 0))[0]?.systemId;

/** The newest of the present system that any repository has: names begin anew on timeline 1 after an upgrade. */
export function newestSegment(repositories: readonly ObservedRepository[]): SegmentName | undefined {
  const present = presentSystem(repositories);
  return repositories
    .flatMap(({ content }) => (content?.systemId === present ? (content?.newestWal ?? []) : []))
    .toSorted(compareSegments)
    .at(-1);
}

/** Newest first. */
export function formerSystems(repositories: readonly ObservedRepository[]): FormerSystems {
  const present = presentSystem(repositories);
  const catalog = mergeCatalogs(repositories);
  const all = repositories.flatMap(({ content }) => content?.former ?? []);
  const bySystem = Map.groupBy(all, ({ systemId }) => systemId);
  bySystem.delete(present ?? "");
  return [...bySystem].map(([systemID, same]) => {
    const version = same.find((one) => one.version !== undefined)?.version;
    const lastWal = same
      .flatMap(({ newestWal }) => newestWal ?? [])
      .toSorted(compareSegments)
      .at(-1);
    const { firstRecoverabilityPoint: from } = recoveryWindow({ catalog, systemId: systemID });
    return {
      systemID,
      ...(version !== undefined && { postgresVersion: version }),
      backups: ofSystem(catalog.backups, systemID).filter(({ status }) => status === "done").length,
      ...(from && { windowFrom: timestamp(from) }),
      ...(lastWal !== undefined && { lastWal }),
    };
  });
}
