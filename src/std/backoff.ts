// Bounded retry with exponential backoff and full jitter. One decorator per port uses this; nothing else loops on errors.
import { delay } from "./abort.ts";

export interface BackoffOptions {
  /** Tries in all, the first included; Infinity retries until the signal aborts. */
  readonly attempts: number;
  readonly firstMs: number;
  readonly maxMs: number;
  readonly signal: AbortSignal;
  readonly isTransient: (error: unknown) => boolean;
  /** Told before each wait, with the number of the failed try from 1. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
}

/** Runs `call` until it succeeds, fails for good, runs out of tries or is aborted; throws the last error. */
export async function retry<T>(call: () => Promise<T>, options: BackoffOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    options.signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      if (attempt >= options.attempts || options.signal.aborted || !options.isTransient(error)) throw error;
      const delayMs = backoffMs(attempt, options);
      options.onRetry?.(error, attempt, delayMs);
      await delay(delayMs, options.signal);
    }
  }
}

/** The wait after the given failed try: random between half and all of firstMs doubled each time, at most maxMs. */
export function backoffMs(attempt: number, bounds: { readonly firstMs: number; readonly maxMs: number }): number {
  const full = Math.min(bounds.maxMs, bounds.firstMs * 2 ** Math.min(attempt - 1, 30));
  return full / 2 + Math.random() * (full / 2);
}
