// Holds a Lease (coordination.k8s.io/v1) while a function runs: one holder at a time among all who ask for it. Whether
// another holder still renews is judged by watching the Lease with our own monotonic clock, never by comparing the times
// written in it with ours, so clocks that differ between nodes do no harm.
//
//   campaign ──(free, released, or unchanged for its whole duration)──▶ leading ──(stopped, fn ended)──▶ released
//       ▲                                                                  │
//       └───────(taken by another, or not renewed in time: signal aborts) ─┘
import { delay, within } from "#std/abort.ts";
import type { Logger } from "#observe/logger.ts";
import type { KubeClient } from "./client.ts";
import { isKubeError } from "./errors.ts";
import type { KubeObject, ObjectKey, Resource } from "./object.ts";

export const leases: Resource = {
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
};

export interface Lease extends KubeObject {
  readonly spec?: {
    /** "" or absent: released. */
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface LeaderTimings {
  /** How long the others wait after our last sign of life; whole seconds. */
  readonly leaseDurationMs: number;
  /** When we give up after our own last successful renewal; the difference is what fn has to stop in. */
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

export interface LeaderOptions {
  readonly client: KubeClient;
  readonly lease: Required<ObjectKey>;
  /** Unique among the candidates: the pod's name. */
  readonly identity: string;
  readonly logger: Logger;
  readonly timings?: LeaderTimings;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const usualTimings: LeaderTimings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 };

/**
 * Runs `fn` while the Lease is ours. A lost Lease aborts the signal of `fn`; once `fn` has returned, campaigns again.
 * Ends when `signal` aborts or when `fn` returns (or throws) of itself; the Lease is released after `fn` has returned.
 */
export async function runWhenLeader(
  options: LeaderOptions,
  signal: AbortSignal,
  fn: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const candidate = new Candidate(options);
  while (await candidate.campaign(signal)) {
    const isLost = await leadOnce(candidate, signal, fn);
    if (!isLost) return;
  }
}

/** One term; true when the Lease was lost in it. Renews until fn has returned: while it stops, the Lease is still ours. */
async function leadOnce(
  candidate: Candidate,
  signal: AbortSignal,
  fn: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const over = new AbortController();
  const lost = new AbortController();
  const renewing = candidate.keepRenewing(over.signal, (reason) => lost.abort(reason));
  const stop = AbortSignal.any([signal, lost.signal]);
  try {
    await fn(stop);
  } catch (error) {
    if (!stop.aborted) throw error; // what a function throws when told to stop is its way of stopping
  } finally {
    over.abort();
    await renewing;
    if (!lost.signal.aborted) await candidate.release();
  }
  return lost.signal.aborted;
}

/** The reason of fn's signal when the Lease was lost. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

class Candidate {
  readonly #options: LeaderOptions;
  readonly #timings: LeaderTimings;
  readonly #now: () => number;
  /** The Lease as last seen, and when it last changed by our clock. */
  #seen: Lease | undefined;
  #seenAt = 0;
  /** When the last successful renewal was sent. */
  #renewedAt = 0;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#timings = options.timings ?? usualTimings;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Resolves true once the Lease is ours, false when the signal aborted first. */
  async campaign(signal: AbortSignal): Promise<boolean> {
    const { logger, lease, identity } = this.#options;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        if (await this.#tryAcquire(signal)) {
          logger.info({ ...lease, kind: "Lease", identity }, "became leader");
          return true;
        }
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error, ...lease, kind: "Lease", attempt }, "campaign failed");
      }
      await delay(this.#timings.retryPeriodMs, signal).catch(() => undefined); // the loop looks at the signal
    }
    return false;
  }

  /** Renews until the signal aborts, or calls `lose` once the Lease is no longer ours for certain. */
  async keepRenewing(signal: AbortSignal, lose: (reason: LeaseLost) => void): Promise<void> {
    const { logger, lease } = this.#options;
    for (let failure: unknown; !signal.aborted;) {
      const leftMs = this.#renewedAt + this.#timings.renewDeadlineMs - this.#now();
      if (leftMs <= 0) {
        logger.warn({ err: failure, ...lease, kind: "Lease" }, "lost leadership: the lease could not be renewed");
        return lose(new LeaseLost(`lease ${lease.name} was not renewed in time`, { cause: failure }));
      }
      await delay(Math.min(this.#timings.retryPeriodMs, leftMs), signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const patienceMs = Math.max(1, this.#renewedAt + this.#timings.renewDeadlineMs - this.#now());
        if (await within(patienceMs, signal, (limited) => this.#tryAcquire(limited))) continue;
        const holder = this.#seen?.spec?.holderIdentity;
        logger.warn({ ...lease, kind: "Lease", holder }, "lost leadership: another holds the lease");
        return lose(new LeaseLost(`lease ${lease.name} is held by ${holder ?? "nobody"}`));
      } catch (error) {
        failure = error;
      }
    }
  }

  /** Lets the others in at once. Best effort: without it they wait for the Lease to run out. */
  async release(): Promise<void> {
    const { client, identity, logger, lease } = this.#options;
    const held = this.#seen;
    if (held?.spec?.holderIdentity !== identity) return;
    const spec = { ...held.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTime() };
    try {
      const signal = AbortSignal.timeout(this.#timings.retryPeriodMs);
      await client.replace<Lease>(leases, { ...held, spec }, { signal });
      logger.info({ ...lease, kind: "Lease", identity }, "released leadership");
    } catch (error) {
      logger.debug({ err: error, ...lease, kind: "Lease" }, "lease was not released; it will run out");
    }
  }

  /** Takes or renews the Lease if it may be ours; false when another holds it. */
  async #tryAcquire(signal: AbortSignal): Promise<boolean> {
    const { client, lease, identity } = this.#options;
    const sentAt = this.#now();
    const current = await client.get<Lease>(leases, lease, { signal });
    try {
      if (current === undefined) {
        this.#observe(await client.create<Lease>(leases, { metadata: lease, spec: this.#claim() }, { signal }));
      } else {
        this.#observe(current);
        if (!this.#isFree(current)) return false;
        // The resourceVersion that we read is the lock: whoever writes second gets a Conflict.
        this.#observe(await client.replace<Lease>(leases, { ...current, spec: this.#claim(current) }, { signal }));
      }
    } catch (error) {
      if (isKubeError(error, "Conflict") || isKubeError(error, "AlreadyExists")) return this.#wasBeaten(signal);
      throw error;
    }
    this.#renewedAt = sentAt;
    return this.#seen?.spec?.holderIdentity === identity;
  }

  /** After a conflicting write: false when another holds the Lease now; otherwise throws, so that it is tried again. */
  async #wasBeaten(signal: AbortSignal): Promise<boolean> {
    const { client, lease, identity } = this.#options;
    const current = await client.get<Lease>(leases, lease, { signal });
    if (current !== undefined) this.#observe(current);
    const holder = current?.spec?.holderIdentity ?? "";
    if (holder !== "" && holder !== identity) return false;
    throw new Error(`lease ${lease.name} changed while it was written`);
  }

  #observe(lease: Lease): void {
    if (lease.metadata.resourceVersion !== this.#seen?.metadata.resourceVersion) this.#seenAt = this.#now();
    this.#seen = lease;
  }

  #isFree(lease: Lease): boolean {
    const { holderIdentity = "", leaseDurationSeconds } = lease.spec ?? {};
    if (holderIdentity === "" || holderIdentity === this.#options.identity) return true;
    const durationMs = leaseDurationSeconds === undefined ? this.#timings.leaseDurationMs : leaseDurationSeconds * 1000;
    return this.#now() - this.#seenAt >= durationMs;
  }

  #claim(current?: Lease): NonNullable<Lease["spec"]> {
    const { identity } = this.#options;
    const isRenewal = current?.spec?.holderIdentity === identity;
    const time = microTime();
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#timings.leaseDurationMs / 1000),
      acquireTime: isRenewal ? (current.spec?.acquireTime ?? time) : time,
      renewTime: time,
      leaseTransitions: (current?.spec?.leaseTransitions ?? 0) + (isRenewal || current === undefined ? 0 : 1),
    };
  }
}

/** metav1.MicroTime: RFC 3339 with exactly six digits of a second. */
const microTime = (): string => new Date().toISOString().replace("Z", "000Z");
