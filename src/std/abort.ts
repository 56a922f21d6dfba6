// Deadlines on top of AbortSignal. Every wait in the product goes through one of these two.
import { setTimeout as sleep } from "node:timers/promises";

/** A signal that aborts with `signal`, or after `timeoutMs` with a TimeoutError. */
export const withDeadline = (signal: AbortSignal, timeoutMs: number): AbortSignal =>
  AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);

/** Waits `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
export async function delay(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
