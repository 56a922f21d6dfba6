// What every step of the harness is given: a signal that cancels it and a place for progress. Progress goes to stderr,
// because stdout belongs to `env` and `status`.
import { ClusterError } from "./errors.ts";

export interface Run {
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly say?: (line: string) => void;
}

const heartbeatMs = 30_000;

/** Says each line with the seconds since it was made. */
export const startRun = (options: RunOptions = {}): Run => {
  const started = performance.now();
  const say = (line: string): void => {
    process.stderr.write(`[${seconds(performance.now() - started).padStart(6)}] ${line}\n`);
  };
  return { signal: options.signal ?? new AbortController().signal, say: options.say ?? say };
};

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)}s`;

/** Does slow work and says when it begins, that it still goes on (every 30 s) and how long it took. */
export const announced = async <T>(run: Run, what: string, work: () => Promise<T>): Promise<T> => {
  const started = performance.now();
  const elapsed = (): string => seconds(performance.now() - started);
  run.say(`${what} …`);
  const heartbeat = setInterval(() => {
    run.say(`${what}: still at it after ${elapsed()}`);
  }, heartbeatMs);
  try {
    const result = await work();
    run.say(`${what}: done in ${elapsed()}`);
    return result;
  } finally {
    clearInterval(heartbeat);
  }
};

/**
 * Does several things at once. The first failure cancels the others and is thrown when they have ended, so nothing goes on
 * behind a caller's back.
 */
export const together = async <T extends readonly unknown[]>(
  run: Run,
  ...works: { readonly [K in keyof T]: (run: Run) => Promise<T[K]> }
): Promise<T> => {
  const stop = new AbortController();
  const inner = { ...run, signal: AbortSignal.any([run.signal, stop.signal]) };
  const started = works.map(async (work) => {
    try {
      return await work(inner);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(started);
  run.signal.throwIfAborted();
  stop.signal.throwIfAborted();
  return results.map((result) => (result.status === "fulfilled" ? result.value : undefined)) as unknown as T;
};

/**
 * Asks until the answer is neither undefined nor false. A throwing check counts as "not yet", its last error becomes the
 * cause; only a ClusterError of kind Component, which no waiting mends, ends the wait at once.
 */
export const until = async <T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number; readonly intervalMs?: number },
): Promise<T> => {
  const deadline = performance.now() + options.timeoutMs;
  let cause: unknown;
  while (true) {
    options.signal.throwIfAborted();
    try {
      const answer = await check();
      if (answer !== undefined && answer !== false) return answer;
      cause = undefined;
    } catch (error) {
      if (error instanceof ClusterError && error.kind === "Component") throw error;
      cause = error;
    }
    if (performance.now() > deadline) {
      throw new ClusterError("Timeout", `${what}: not within ${seconds(options.timeoutMs)}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, options.intervalMs ?? 100));
  }
};
