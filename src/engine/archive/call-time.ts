// How long one archive call may take. A PostgreSQL that is told to stop waits for the calls of its archiver, up to six of
// them one after the other (src/backend/postmaster/pgarch.c: three tries in the round under way, three in a last one),
// and a failover waits for PostgreSQL: then a call gives up early. What it did not store waits for the next start.
import { readPostmasterState } from "#postgres/postmaster.ts";

export interface CallTimes {
  /** While PostgreSQL runs. */
  readonly callMsMax: number;
  /** From when PostgreSQL is seen stopping. */
  readonly stoppingMsMax: number;
  /** How often that is looked up: 1 s unless told. */
  readonly lookEveryMs?: number;
}

/**
 * Runs `work` with a signal that aborts with `signal`, or when the call's time is over with a TimeoutError, whose message
 * says how much there was: "within 60 s".
 */
export async function withinCall<T>(
  pgdata: string,
  { callMsMax, stoppingMsMax, lookEveryMs = 1_000 }: CallTimes,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const expire = (time: string): void => over.abort(new DOMException(time, "TimeoutError"));
  const seconds = (ms: number): string => `within ${ms / 1000} s`;
  let stopping: NodeJS.Timeout | undefined;
  let ended = false;
  const look = async (): Promise<void> => {
    const isStopping = (await readPostmasterState(pgdata)) === "stopping";
    if (!isStopping || ended) return;
    stopping ??= setTimeout(() => expire(`${seconds(stoppingMsMax)} of PostgreSQL's stop`), stoppingMsMax);
  };
  const limit = setTimeout(() => expire(seconds(callMsMax)), callMsMax);
  const looking = setInterval(() => void look(), lookEveryMs);
  try {
    return await work(AbortSignal.any([signal, over.signal]));
  } finally {
    ended = true;
    clearInterval(looking);
    clearTimeout(limit);
    clearTimeout(stopping);
  }
}
