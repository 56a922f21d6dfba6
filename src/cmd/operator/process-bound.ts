// Bounds how many pgBackRest processes run beside the operator, in the memory that CNPG's calls are answered from. What
// takes long has a line of its own, so that it never keeps the looks waiting; nobody waits in line without end.
import { createSlots, type Slots } from "#engine/archive/slots.ts";
import { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { within } from "#std/abort.ts";

/** Each may take tens of megabytes. */
const looksMax = 6;
/** Removing from a large repository takes up to an hour. */
const removalsMax = 3;
/** Shorter than the limit of a look, so that it can still say what came of it. */
const looksWaitMs = 20_000;
/** The Lease is held meanwhile, and backups wait for it. */
const removalsWaitMs = 60_000;

interface Line {
  readonly slots: Slots;
  readonly max: number;
  readonly waitMs: number;
}

/** What a call may take begins when it runs. One for the process. */
export function createProcessBound(): (pgbackrest: Pgbackrest) => Pgbackrest {
  const looks: Line = { slots: createSlots(), max: looksMax, waitMs: looksWaitMs };
  const removals: Line = { slots: createSlots(), max: removalsMax, waitMs: removalsWaitMs };
  return (pgbackrest) => ({
    ...pgbackrest,
    async run(command, options) {
      const { slots, max, waitMs } = command === "expire" ? removals : looks;
      await within(waitMs, options.signal, (limited) => slots.acquire(max, limited)).catch((cause: unknown) => {
        options.signal.throwIfAborted();
        // Nothing is known of the repository then.
        const message = `pgbackrest ${command} had no turn: ${max} others of the operator ran for ${waitMs / 1000} s`;
        throw new PgbackrestError("Busy", message, { cause });
      });
      try {
        return await pgbackrest.run(command, options);
      } finally {
        slots.release();
      }
    },
  });
}
