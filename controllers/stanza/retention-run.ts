// One run of retention under the Lease: finishes what an earlier one left undone, then lets each repository expire, and has it
// noted first what goes.
import type { Stanza } from "#api/gen/stanza.ts";
import { locationOfRepository, type RepositoryConfig } from "#repository/pgbackrest/config.ts";
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";
import { expireRepository } from "#repository/pgbackrest/expire.ts";
import type { Expired } from "#repository/pgbackrest/expire-log.ts";
import { readInfo } from "#repository/pgbackrest/info.ts";
import { inOneLine } from "#repository/pgbackrest/repository-state.ts";
import type { StoreReading } from "../catalogs.ts";
import { noteRemoving, readRemoving, type NoteDeps } from "./note-removing.ts";
import { removingFrom, settle, stillOpen, type Removing, type Settled } from "./removing.ts";
import type { RepositoryOutcome, RetentionMode } from "./retention-plan.ts";
import type { OpenedStanza } from "./terms.ts";

const listingMs = 30_000;

export interface RunOptions {
  readonly mode: RetentionMode;
  /** What the last look could not read is not asked again here. */
  readonly unread: StoreReading["unread"];
  readonly restoring: ReadonlySet<string>;
  readonly broken: ReadonlySet<string>;
  /** Why nothing may go from the repository at a place. */
  readonly refusal: (location: string) => string | undefined;
  readonly signal: AbortSignal;
}

export interface RetentionOutcome {
  readonly outcomes: readonly RepositoryOutcome[];
  /** What an earlier run removed, and whose records it left. */
  readonly gone: readonly Removing[];
  /** What the next run has to find out. */
  readonly removing: Removing[];
}

/** Finishes a run that was cut off, and notes what goes before it goes. */
export async function runRetention(
  deps: NoteDeps,
  stanza: Stanza,
  opened: OpenedStanza,
  options: RunOptions,
): Promise<RetentionOutcome> {
  const { signal } = options;
  const { gone, open } = await settleBefore(await readRemoving(deps, stanza, signal), opened, options);
  // Those that are gone stand there until their records are gone, too.
  const noted = [...open, ...gone];
  const outcomes = await runAll(opened, options, async (repository, { backups }) => {
    if (backups.length === 0) return;
    const ids = backups.map(({ id }) => id);
    noted.push(removingFrom(repository, ids));
    await noteRemoving(deps, stanza, noted, signal);
  });
  return { outcomes, gone, removing: stillOpen(noted, open, outcomes) };
}

async function settleBefore(
  removing: readonly Removing[],
  { pgbackrest, config }: OpenedStanza,
  { unread, signal }: RunOptions,
): Promise<Settled> {
  if (removing.length === 0) return { gone: [], open: [] };
  const repositories = config.repositories.filter(({ key }) => unread?.has(key) !== true);
  const asked = { ...pgbackrest, config: { ...config, repositories } };
  try {
    return settle(removing, config.repositories, await readInfo(asked, { deadlineMs: listingMs, signal }));
  } catch (error) {
    signal.throwIfAborted();
    if (!isPgbackrestError(error)) throw error;
    return { gone: [], open: removing };
  }
}

async function runAll(
  { pgbackrest, config }: OpenedStanza,
  { mode, unread, restoring, broken, refusal, signal }: RunOptions,
  note: (repository: RepositoryConfig, expired: Expired) => Promise<void>,
): Promise<readonly RepositoryOutcome[]> {
  const keep = (id: string): string | undefined => (restoring.has(id) ? "it is being restored from" : undefined);
  const outcomes: RepositoryOutcome[] = [];
  for (const each of config.repositories) {
    const { key: repository } = each;
    const why = unread?.get(repository)?.message;
    if (why !== undefined) {
      outcomes.push({ kind: "skipped", repository, reason: "NotTrusted", why });
      continue;
    }
    try {
      outcomes.push(
        await expireRepository(pgbackrest, {
          repository,
          mode,
          keep,
          broken,
          refusal: refusal(locationOfRepository(each)),
          beforeRemoval: (expired) => note(each, expired),
          signal,
        }),
      );
    } catch (error) {
      signal.throwIfAborted();
      if (!isPgbackrestError(error)) throw error;
      outcomes.push({ kind: "failed", repository, why: inOneLine(error.message) });
    }
  }
  return outcomes;
}
