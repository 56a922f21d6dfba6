// The end of a Stanza's archive, over all repositories that could be read in one look.
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { NewestWal, Repository } from "#repository/repository.ts";
import { withDeadline } from "#std/abort.ts";
import { isStoreError } from "#store/errors.ts";
import { newestSegment } from "./systems.ts";
import type { ArchiveEnd, ObservedRepository, OpenedStanza } from "./terms.ts";

/** It is read for its time, which is left open when that takes longer. */
const endMs = 15_000;

export interface EndOptions {
  /** Of these repositories only. */
  readonly openRepository: (opened: OpenedStanza, only: readonly number[]) => Repository;
  /** What was read before. */
  readonly known: { readonly newestWal?: NewestWal } | undefined;
  readonly signal: AbortSignal;
}

/** Of the whole archive, from one repository that has it. What cannot be read now is left as it was read before. */
export async function readEnd(
  repositories: readonly ObservedRepository[],
  opened: OpenedStanza,
  { openRepository, known, signal }: EndOptions,
): Promise<NewestWal | undefined> {
  const before = known?.newestWal;
  const filled = repositories.filter(({ isRead, content }) => isRead && content?.newestWal !== undefined);
  if (filled.length === 0) return before;
  try {
    const limited = withDeadline(signal, endMs);
    const repository = openRepository(
      opened,
      filled.map(({ key }) => key),
    );
    return await repository.newestWal(opened.config.stanza, { signal: limited, ...(before && { known: before }) });
  } catch (error) {
    signal.throwIfAborted();
    const isMissed = isStoreError(error) || isPgbackrestError(error) || isTimeout(error);
    if (!isMissed) throw error;
    return before;
  }
}

export const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === "TimeoutError";

export function endOf(
  repositories: readonly ObservedRepository[],
  newestWal: NewestWal | undefined,
): { readonly end?: ArchiveEnd } {
  const name = newestSegment(repositories);
  if (name === undefined) return {};
  return {
    end: {
      name,
      ...(newestWal?.commitTime !== undefined && { commitTime: newestWal.commitTime }),
      ...(newestWal?.name === name && { storedAt: newestWal.storedAt }),
    },
  };
}
