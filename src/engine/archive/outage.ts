// Remembers that a store does not answer, so that PostgreSQL is told at once instead of waiting again: a hung
// restore_command holds up streaming and promotion. A probe in the background ends it as soon as the store is back.
import { delay, waitFor, within } from "#std/abort.ts";
import { isStoreError } from "#store/errors.ts";
import { isArchiveError, isTransient } from "./errors.ts";

/** How long the store is taken to be away, at most, before PostgreSQL's request tries it again. */
const outageMsMax = 30_000;
const probeMsMax = 5_000;
const probePauseMs = 1_000;

export interface Outage {
  readonly isOn: boolean;
  /**
   * The store did not answer. `probe` makes one small request; whatever answer it gets, even a refusal, the outage is
   * over, and `onAnswer` is told it.
   */
  begin(probe: (signal: AbortSignal) => Promise<boolean>, onAnswer: (exists: boolean) => void): void;
  end(): void;
}

/** `closing` ends the probes for good. */
export function createOutage(closing: AbortSignal): Outage {
  let current: AbortController | undefined;

  async function watch(outage: AbortController, probe: (signal: AbortSignal) => Promise<boolean>): Promise<boolean> {
    const signal = AbortSignal.any([outage.signal, closing]);
    for (;;) {
      try {
        return await within(probeMsMax, signal, (signal) => waitFor(probe(signal), signal));
      } catch (error) {
        signal.throwIfAborted();
        if ((isStoreError(error) || isArchiveError(error)) && !isTransient(error)) return false;
      }
      await delay(probePauseMs, signal);
    }
  }

  return {
    get isOn() {
      return current !== undefined;
    },
    begin(probe, onAnswer) {
      if (current !== undefined || closing.aborted) return;
      const outage = new AbortController();
      current = outage;
      const timer = setTimeout(() => outage.abort(), outageMsMax).unref();
      watch(outage, probe)
        .then(onAnswer, () => undefined)
        .finally(() => {
          clearTimeout(timer);
          if (current === outage) current = undefined;
        });
    },
    end: () => current?.abort(),
  };
}
