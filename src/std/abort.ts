// Deadlines on top of AbortSignal. Every wait in the product goes through one of these.
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

/**
 * Runs `call` with a signal that aborts with `signal`, or after `timeoutMs` with a TimeoutError; the timer ends with the
 * call, so what the call leaves open (a body still to be read) is no longer under the deadline.
 */
export async function within<T>(
  timeoutMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const expire = (): void => deadline.abort(new DOMException(`not done within ${timeoutMs} ms`, "TimeoutError"));
  const timer = setTimeout(expire, timeoutMs);
  try {
    return await call(AbortSignal.any([signal, deadline.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for shared work that goes on without this caller; rejects with the signal's reason as soon as it aborts. */
export async function waitFor<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}
