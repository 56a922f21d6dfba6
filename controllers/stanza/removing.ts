// What retention is about to remove, as it stands in a Stanza's status from before it is removed until its records are gone:
// a run that was cut off between the two is finished by the next one, whoever leads then. Pure.
import type { PgbackrestInfo } from "#repository/pgbackrest/info.ts";
import { locationOfRepository, type RepositoryConfig } from "#repository/pgbackrest/config.ts";
import { isTrusted } from "#repository/pgbackrest/repository-state.ts";
import type { RepositoryOutcome, RetentionStatus } from "./retention-plan.ts";

/** Backups of one repository. By place, since a number may come to stand for another one. */
export type Removing = NonNullable<RetentionStatus["removing"]>[number];

const backupsMax = 1_000;
const entriesMax = 64;

export const removingFrom = (repository: RepositoryConfig, ids: readonly string[]): Removing => ({
  repository: repository.key,
  location: locationOfRepository(repository),
  backups: ids.slice(0, backupsMax),
});

export const bounded = (removing: readonly Removing[]): Removing[] => removing.slice(-entriesMax);

export interface Settled {
  /** In no repository any more. */
  readonly gone: readonly Removing[];
  /** What nothing can be said of yet. */
  readonly open: readonly Removing[];
}

/**
 * By a listing made while nobody else removes: what it names is there, and its record stays. One that cannot be trusted
 * proves nothing, nor does the absence from one repository while another one that may have a copy cannot be read.
 */
export function settle(
  removing: readonly Removing[],
  repositories: readonly RepositoryConfig[],
  info: Pick<PgbackrestInfo, "repositories" | "backups">,
): Settled {
  const listed = new Set(info.backups.map(({ label }) => label));
  const trusted = new Set(info.repositories.flatMap(({ key, state }) => (isTrusted(state) ? key : [])));
  const isWhole = repositories.every(({ key }) => trusted.has(key));
  const bare = new Set(info.repositories.flatMap(({ key, state }) => (state === "NoStanza" ? key : [])));
  const at = ({ location }: Removing): RepositoryConfig | undefined =>
    repositories.find((repository) => locationOfRepository(repository) === location);
  // What is no repository of the Stanza any more was not shown to be gone, and never will be.
  const unlisted = removing
    .filter((entry) => at(entry) !== undefined)
    .map((entry) => ({ ...entry, backups: entry.backups.filter((id) => !listed.has(id)) }))
    .filter(({ backups }) => backups.length > 0);
  // Without a stanza it may be another server with a bucket of that name.
  const isGone = (entry: Removing): boolean => isWhole && !bare.has(at(entry)?.key ?? 0);
  return { gone: unlisted.filter(isGone), open: unlisted.filter((entry) => !isGone(entry)) };
}

export const backupsOf = (removing: readonly Removing[]): { readonly id: string; readonly repository: number }[] =>
  removing.flatMap(({ repository, backups }) => backups.map((id) => ({ id, repository })));

/** After a run: what it removed is known by its outcome, and what may have been removed when it failed is not. */
export const stillOpen = (
  noted: readonly Removing[],
  open: readonly Removing[],
  outcomes: readonly RepositoryOutcome[],
): Removing[] =>
  noted.filter(
    (entry) =>
      open.includes(entry) ||
      outcomes.some(({ kind, repository }) => kind === "failed" && repository === entry.repository),
  );
