// Waits until the archive holds the WAL that a backup needs, asking less and less often, up to a deadline.
import { delay, withDeadline } from "#std/abort.ts";
import { backoffMs } from "#std/backoff.ts";
import { isStoreError } from "#store/errors.ts";
import { BackupError } from "./errors.ts";
import { someOf } from "./plan.ts";
import { missingWal, type WalArchive } from "./wal-presence.ts";

export interface WalWaitOptions {
  readonly archive: WalArchive;
  readonly names: readonly string[];
  readonly deadlineMs: number;
  /** Told of the oldest missing file when it changes; undefined when nothing is missing any more. */
  readonly onWaiting: (name: string | undefined) => void;
  readonly signal: AbortSignal;
}

const firstMs = 250;
const maxMs = 10_000;

/** Resolves when all are there; throws BackupError "WalMissing" at the deadline, naming those that are not. */
export async function waitForWal(options: WalWaitOptions): Promise<void> {
  const deadline = withDeadline(options.signal, options.deadlineMs);
  let missing = options.names;
  let waitingFor: string | undefined;
  try {
    for (let attempt = 1; ; attempt++) {
      const before = missing.length;
      missing = await ask(options.archive, missing, deadline);
      if (missing[0] !== waitingFor) options.onWaiting((waitingFor = missing[0]));
      if (missing.length === 0) return;
      // Segments that arrive say that the archiver works: look again soon.
      if (missing.length < before) attempt = 1;
      await delay(backoffMs(attempt, { firstMs, maxMs }), deadline);
    }
  } catch (error) {
    options.signal.throwIfAborted();
    if (!deadline.aborted) throw error;
    throw new BackupError("WalMissing", message(missing, options.deadlineMs), {
      cause: error,
      hint: "The data is stored, but cannot be restored without this WAL: look at the condition of WAL archiving.",
    });
  }
}

const message = (missing: readonly string[], deadlineMs: number): string =>
  `wal that the backup needs did not reach the archive within ${Math.round(deadlineMs / 1000)} s: ${someOf(missing)}`;

/** An outage of the store is part of the wait; anything else ends it. */
async function ask(archive: WalArchive, names: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await missingWal(archive, names, { signal });
  } catch (error) {
    if (isStoreError(error) && error.transient && !signal.aborted) return names;
    throw error;
  }
}
