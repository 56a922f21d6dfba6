// Which WAL is missing in each repository, by listing it. That costs a request for each thousand segments, so it is done when
// the backups have changed or retention ran, which alone remove WAL, and not at each look.
import { defaultSegmentBytes } from "#postgres/segment.ts";
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";
import { openFiles } from "#repository/pgbackrest/files.ts";
import { listMissingWal } from "#repository/pgbackrest/wal-listing.ts";
import { withDeadline } from "#std/abort.ts";
import { isStoreError } from "#store/errors.ts";
import { isTimeout } from "./archive-end.ts";
import type { Continuity, ObservedRepository, OpenedStanza, RepositoryContent } from "./terms.ts";

export interface ContinuityOptions {
  /** When retention ran last. */
  readonly lastRetention: string | undefined;
  readonly signal: AbortSignal;
}

const listMs = 20_000;

/** The repositories, each with what is missing in it where that could be listed. */
export const withContinuity = (
  repositories: readonly ObservedRepository[],
  opened: OpenedStanza,
  options: ContinuityOptions,
): Promise<readonly ObservedRepository[]> =>
  Promise.all(
    repositories.map(async (repository) => {
      const { content, isRead, key } = repository;
      if (!isRead || content?.newestWal === undefined) return repository;
      const listedFor = occasionOf(content, options.lastRetention);
      if (content.continuity?.listedFor === listedFor) return repository;
      const { continuity: _outdated, ...rest } = content;
      const continuity = await list(opened, key, content, { ...options, listedFor });
      return { ...repository, content: { ...rest, ...(continuity && { continuity }) } };
    }),
  );

const occasionOf = ({ backups, firstWal }: RepositoryContent, lastRetention: string | undefined): string =>
  [lastRetention, firstWal, ...backups.map(({ label }) => label)].join(" ");

/** Undefined when it did not come through: nothing is concluded then. */
async function list(
  { pgbackrest }: OpenedStanza,
  key: number,
  { catalog: { backups } }: RepositoryContent,
  { listedFor, signal }: ContinuityOptions & { readonly listedFor: string },
): Promise<Continuity | undefined> {
  const segmentBytes = backups.find((backup) => backup.segmentBytes !== undefined)?.segmentBytes ?? defaultSegmentBytes;
  const settled = backups.findLast(({ status }) => status === "done")?.endWal;
  try {
    const limited = withDeadline(signal, listMs);
    const missing = await listMissingWal(openFiles(pgbackrest, key), { segmentBytes, settled }, { signal: limited });
    return { ...missing, listedFor };
  } catch (error) {
    signal.throwIfAborted();
    const isMissed = isStoreError(error) || isPgbackrestError(error) || isTimeout(error) || error instanceof RangeError;
    if (!isMissed) throw error;
    return undefined;
  }
}
