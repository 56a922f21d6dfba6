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
   * Runs the work while the Lease is held, and renews it meanwhile. The work's signal aborts when another one has taken the
   * Lease, and before one could, when it was not renewed for minutes: the API server is away then, or out of our reach alone.
   * Throws MutexBusyError, which says who holds it and what for, when the wait is over.
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

export class MutexLostError extends Error {
  override readonly name = "MutexLostError";
  readonly transient = true;

  constructor(lease: ObjectKey, options: ErrorOptions) {
    super(
      `the Lease ${lease.name} could not be renewed in time, so that others may hold it: see whether the API server can be reached`,
      options,
    );
  }
}
