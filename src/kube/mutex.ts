// One holder at a time among processes in different pods, by a Lease: pgBackRest's own locks end at the host.
import type { ObjectKey } from "./object.ts";

export interface HoldOptions {
  /** What is being done, for those who wait: "backup", "expire". */
  readonly purpose: string;
  /** How long to wait for another holder. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export interface Mutex {
  /**
   * Runs the work while the Lease is held, and renews it meanwhile. The work's signal aborts when it is seen that another
   * one has taken the Lease. An API server that is away ends nothing: while it is away for all, nobody can take it; a holder
   * that alone cannot reach it works on, though others may take the Lease when it has expired. Throws MutexBusyError, which
   * says who holds it and what for, when the wait is over.
   */
  hold<T>(options: HoldOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

export class MutexBusyError extends Error {
  override readonly name = "MutexBusyError";
  readonly transient = true;

  constructor(lease: ObjectKey, holder: string, purpose: string | undefined) {
    super(`${holder} holds the Lease ${lease.name}${purpose === undefined ? "" : ` for ${purpose}`}`);
  }
}
