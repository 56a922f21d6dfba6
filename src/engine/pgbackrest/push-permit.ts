// How long WAL may be pushed ahead of PostgreSQL's calls. CloudNativePG lets only the instance archive that it takes for the
// primary, and asks anew at each call; a worker goes through a whole backlog. It ends when PostgreSQL is not any more what it
// was when it began, or when nobody has called for longer than PostgreSQL pauses between its tries: a former primary must not
// go on with WAL of a timeline that others have left. What it did not push is pushed at a call that is let through.
import { readPostmasterState } from "#postgres/postmaster.ts";

export interface PermitOptions {
  readonly pgdata: string;
  /** How often is looked: 1 s unless told. */
  readonly lookEveryMs?: number;
  /** How long a pause between calls may be: two minutes unless told. */
  readonly pauseMsMax?: number;
}

export interface PushPermit {
  /** A call of PostgreSQL was let through. */
  called(): void;
  /** Runs the work with a signal that aborts with `signal`, or when it may not go on. */
  during<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

/** After three failures PostgreSQL waits for a minute, and a call lasts up to one. */
const pauseMsUsual = 120_000;

export function createPushPermit({
  pgdata,
  lookEveryMs = 1_000,
  pauseMsMax = pauseMsUsual,
}: PermitOptions): PushPermit {
  let calledAt = performance.now();
  return {
    called: () => void (calledAt = performance.now()),
    async during(signal, work) {
      const over = new AbortController();
      const begun = await readPostmasterState(pgdata);
      const look = async (): Promise<void> => {
        const now = await readPostmasterState(pgdata);
        // While it stops, it still has its WAL archived.
        if (begun !== undefined && now !== begun && now !== "stopping")
          over.abort(new Error(`PostgreSQL is ${now ?? "down"} and was ${begun}`));
        if (performance.now() - calledAt > pauseMsMax) over.abort(new Error("PostgreSQL does not ask any more"));
      };
      const timer = setInterval(() => void look(), lookEveryMs);
      try {
        return await work(AbortSignal.any([signal, over.signal]));
      } finally {
        clearInterval(timer);
      }
    },
  };
}
