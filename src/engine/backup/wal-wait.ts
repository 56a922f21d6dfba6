// Waits until the archive holds the WAL that a backup needs, asking less and less often, up to a deadline.
import { delay, withDeadline } from "#std/abort.ts";
import { backoffMs } from "#std/backoff.ts";
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";
import { isStoreError } from "#store/errors.ts";
import { BackupError } from "./errors.ts";
import { someOf } from "./plan.ts";
import type { MissingWal } from "./wal-presence.ts";

export interface WalWaitOptions {
  readonly missing: MissingWal;
  readonly names: readonly string[];
  readonly deadlineMs: number;
  /** Told of the oldest missing file when it changes; undefined when nothing is missing any more. */
  readonly onWaiting: (name: string | undefined) => void;
  readonly signal: AbortSignal;
}

const firstMs = 100;
const maxMs = 10_000;

/** Resolves when all are there; throws BackupError "WalMissing" at the deadline, naming those that are not. */
export async function waitForWal(options: WalWaitOptions): Promise<void> {
  const deadline = withDeadline(options.signal, options.deadlineMs);
  let state: WaitState = { missing: options.names };
  let toldOf: string | undefined;
  try {
    for (let attempt = 1; ; attempt++) {
      const before = state.missing.length;
      state = await look(options.missing, state.missing, deadline);
      if (state.missing[0] !== toldOf) options.onWaiting((toldOf = state.missing[0]));
      if (state.missing.length === 0) return;
      // Segments that arrive say that the archiver works: look again soon.
      if (state.missing.length < before) attempt = 1;
      await delay(backoffMs(attempt, { firstMs, maxMs }), deadline);
    }
  } catch (error) {
    options.signal.throwIfAborted();
    if (!deadline.aborted) throw error;
    throw state.outage ?? tooLate(state.missing, options.deadlineMs, error);
  }
}

interface WaitState {
  readonly missing: readonly string[];
  /** Why the last look told nothing: what is missing now is then not known. */
  readonly outage?: Error;
}

/** An outage of the store is part of the wait; anything else ends it. */
async function look(missing: MissingWal, names: readonly string[], signal: AbortSignal): Promise<WaitState> {
  try {
    return { missing: await missing(names, { signal }) };
  } catch (error) {
    if (isOutage(error) && !signal.aborted) return { missing: names, outage: error };
    throw error;
  }
}

const isOutage = (error: unknown): error is Error =>
  (isStoreError(error) || isPgbackrestError(error)) && error.transient;

function tooLate(missing: readonly string[], deadlineMs: number, cause: unknown): BackupError {
  const limit = `within ${Math.round(deadlineMs / 1000)} s`;
  const message = `wal that the backup needs did not reach the archive ${limit}: ${someOf(missing)}`;
  return new BackupError("WalMissing", message, {
    cause,
    hint: "The data is stored, but cannot be restored without this WAL: look at the condition of WAL archiving.",
  });
}
