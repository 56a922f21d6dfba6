// Work with a store's settings as they are now. Waiting for a store ends when people correct its settings; then the work
// begins anew where it is now.
import type { Logger } from "#observe/logger.ts";
import { within } from "#std/abort.ts";

export interface NewestOptions<Opened> {
  /** Reads the settings, or has them. */
  readonly open: (signal: AbortSignal) => Promise<Opened>;
  /** How long that may take. */
  readonly openMs: number;
  /** For the log. */
  readonly store: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export async function atNewest<Opened extends { readonly superseded?: AbortSignal }>(
  { open, openMs, store, signal, logger }: NewestOptions<Opened>,
  work: (opened: Opened, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  for (;;) {
    const opened = await within(openMs, signal, open);
    const { superseded } = opened;
    try {
      return await work(opened, superseded === undefined ? signal : AbortSignal.any([signal, superseded]));
    } catch (error) {
      if (signal.aborted || superseded?.aborted !== true) throw error;
      logger.info({ store }, "the store has changed meanwhile");
    }
  }
}

/** Reading a store and its Secrets, the first time. */
export const openMsMax = 30_000;
