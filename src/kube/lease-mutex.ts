// A Mutex (mutex.ts) by one Lease. As in leader election, whether its holder still lives is judged by watching the Lease
// with our own monotonic clock, and the resourceVersion that was read is the lock of each write. A holder that cannot renew
// gives up before others may take the Lease: it cannot tell an API server that is away for all from one that it alone does
// not reach. The times are longer than there, so that a backup of hours outlives a restart of the API server.
import { randomUUID } from "node:crypto";
import { delay, waitFor, within } from "#std/abort.ts";
import type { Logger } from "#observe/logger.ts";
import type { KubeClient } from "./client.ts";
import { isKubeError, KubeError } from "./errors.ts";
import { leases, type Lease } from "./leader.ts";
import { MutexBusyError, MutexLostError, type HoldOptions, type Mutex } from "./mutex.ts";
import type { ObjectKey } from "./object.ts";

export interface MutexTimings {
  /** How long the others wait after our last sign of life; whole seconds. */
  readonly leaseDurationMs: number;
  /** When we give up after our own last renewal; the difference is what the work has to stop in. */
  readonly renewDeadlineMs: number;
  readonly renewEveryMs: number;
  /** How often a Lease that another one holds is looked at. */
  readonly lookEveryMs: number;
}

export interface LeaseMutexOptions {
  readonly client: KubeClient;
  readonly lease: Required<ObjectKey>;
  /** Of `processIdentity`: unique among all processes that ask. What shares the process waits for one another. */
  readonly identity: string;
  readonly logger: Logger;
  readonly timings?: MutexTimings;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** Where the holder writes what it does, for those who wait. */
export const purposeAnnotation = "holdfast.dev/purpose";

const usualTimings: MutexTimings = {
  leaseDurationMs: 240_000,
  renewDeadlineMs: 210_000,
  renewEveryMs: 10_000,
  lookEveryMs: 2_000,
};
const requestMsMax = 10_000;

/**
 * The pod's name alone is not enough: another pod of that name may run while the first one, which was deleted by force, has
 * not ended on its node. No pod's name has the "_".
 */
export const processIdentity = (pod: string): string => `${pod}_${randomUUID()}`;

const podOf = (identity: string): string => identity.split("_", 1)[0] ?? identity;

export function createLeaseMutex(options: LeaseMutexOptions): Mutex {
  const { client, lease, identity, logger, timings = usualTimings, now = () => performance.now() } = options;
  /** Those of this process take turns: to the Lease they are all one. */
  let turn: Promise<unknown> = Promise.resolve();
  /** The Lease as last seen, and since when it looks like that by our clock. */
  let seen: Lease | undefined;
  let seenAt = 0;
  /** When our last claim that was granted was sent: before anybody else could see it. */
  let renewedAt = 0;

  function observe(current: Lease): Lease {
    if (current.metadata.resourceVersion !== seen?.metadata.resourceVersion) seenAt = now();
    seen = current;
    return current;
  }

  async function read(signal: AbortSignal): Promise<Lease> {
    const current = await client.get<Lease>(leases, lease, { signal });
    if (current !== undefined) return observe(current);
    throw new KubeError("Unavailable", `Lease ${lease.name} is not there yet: the operator makes it`);
  }

  const holderOf = ({ spec }: Lease): string => spec?.holderIdentity ?? "";

  function isFree(current: Lease): boolean {
    const holder = holderOf(current);
    // Ours may be what a lost answer or a lost Lease has left.
    if (holder === "" || holder === identity) return true;
    const seconds = current.spec?.leaseDurationSeconds;
    return now() - seenAt >= (seconds === undefined ? timings.leaseDurationMs : seconds * 1000);
  }

  /** Takes it, or renews the one that is held, when it may be ours; the one who holds it when not. */
  async function claim(purpose: string, signal: AbortSignal, held?: Lease): Promise<Lease | undefined> {
    const sentAt = now();
    const current = await read(signal);
    const isAnother = held !== undefined && current.metadata.uid !== held.metadata.uid;
    if (isAnother || !isFree(current)) return current;
    const time = new Date().toISOString().replace("Z", "000Z");
    const renews = holderOf(current) === identity;
    const { metadata, spec } = current;
    try {
      observe(
        await client.replace<Lease>(
          leases,
          {
            ...current,
            metadata: { ...metadata, annotations: { ...metadata.annotations, [purposeAnnotation]: purpose } },
            spec: {
              holderIdentity: identity,
              leaseDurationSeconds: Math.ceil(timings.leaseDurationMs / 1000),
              acquireTime: renews ? (spec?.acquireTime ?? time) : time,
              renewTime: time,
              leaseTransitions: (spec?.leaseTransitions ?? 0) + (renews ? 0 : 1),
            },
          },
          { signal },
        ),
      );
      renewedAt = sentAt;
      return undefined;
    } catch (error) {
      if (!isKubeError(error, "Conflict")) throw error;
      const winner = await read(signal);
      if (holderOf(winner) !== identity) return winner;
      throw error; // somebody labelled it meanwhile
    }
  }

  async function acquire({ purpose, waitMs, signal }: HoldOptions): Promise<void> {
    const until = now() + waitMs;
    for (;;) {
      let failure: unknown;
      const holder = await within(requestMsMax, signal, (limited) => claim(purpose, limited)).catch(
        (error: unknown) => {
          signal.throwIfAborted();
          failure = error;
          return undefined;
        },
      );
      if (failure === undefined && holder === undefined) return;
      const isOver = now() + timings.lookEveryMs > until;
      if (isOver && holder !== undefined)
        throw new MutexBusyError(
          lease,
          podOf(holderOf(holder)) || "nobody",
          holder.metadata.annotations?.[purposeAnnotation],
        );
      if (isOver) throw failure;
      await delay(timings.lookEveryMs, signal);
    }
  }

  /** Renews until `over` aborts; calls `lose` once another one holds the Lease or may soon, or it was made anew. */
  async function keepRenewing(purpose: string, over: AbortSignal, lose: (error: Error) => void): Promise<void> {
    const held = seen;
    const leftMs = (): number => renewedAt + timings.renewDeadlineMs - now();
    for (let failure: unknown; !over.aborted;) {
      if (leftMs() <= 0) {
        logger.warn({ err: failure, ...lease, kind: "Lease", purpose }, "the lease was not renewed in time");
        return lose(new MutexLostError(lease, { cause: failure }));
      }
      await delay(Math.min(timings.renewEveryMs, leftMs()), over).catch(() => undefined);
      if (over.aborted) return;
      try {
        const patienceMs = Math.max(1, Math.min(requestMsMax, leftMs()));
        const winner = await within(patienceMs, over, (limited) => claim(purpose, limited, held));
        failure = undefined;
        const isAnother = winner !== undefined && winner.metadata.uid !== held?.metadata.uid;
        if (winner === undefined || (holderOf(winner) === "" && !isAnother)) continue;
        const holder = podOf(holderOf(winner)) || "nobody";
        logger.warn({ ...lease, kind: "Lease", holder, purpose }, "another one has taken the lease");
        return lose(new MutexBusyError(lease, holder, winner.metadata.annotations?.[purposeAnnotation]));
      } catch (error) {
        if (over.aborted) return;
        if (failure === undefined)
          logger.warn({ err: error, ...lease, kind: "Lease" }, "the lease cannot be renewed; trying on");
        failure = error;
      }
    }
  }

  /** Lets the others in at once. Best effort: without it they wait for the Lease to run out. */
  async function release(): Promise<void> {
    if (seen === undefined || holderOf(seen) !== identity) return;
    const { [purposeAnnotation]: _, ...annotations } = seen.metadata.annotations ?? {};
    const free: Lease = {
      ...seen,
      metadata: { ...seen.metadata, annotations },
      spec: { ...seen.spec, holderIdentity: "" },
    };
    try {
      observe(await client.replace<Lease>(leases, free, { signal: AbortSignal.timeout(requestMsMax) }));
    } catch (error) {
      logger.debug({ err: error, ...lease, kind: "Lease" }, "the lease was not released; it will run out");
    }
  }

  async function holdNow<T>(held: HoldOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    await acquire(held);
    const over = new AbortController();
    const lost = new AbortController();
    const renewing = keepRenewing(held.purpose, over.signal, (error) => lost.abort(error));
    try {
      return await work(AbortSignal.any([held.signal, lost.signal]));
    } finally {
      over.abort();
      await renewing;
      if (!lost.signal.aborted) await release();
    }
  }

  return {
    async hold(held, work) {
      const { signal, waitMs } = held;
      const before = turn;
      const { promise, resolve } = Promise.withResolvers<void>();
      turn = before.then(() => promise);
      const begunAt = now();
      try {
        await within(waitMs, signal, (limited) => waitFor(before, limited)).catch((error: unknown) => {
          signal.throwIfAborted();
          if (seen === undefined || !(error instanceof Error) || error.name !== "TimeoutError") throw error;
          // The one before us may itself be waiting for another pod.
          const holder = podOf(holderOf(seen) || identity);
          throw new MutexBusyError(lease, holder, seen.metadata.annotations?.[purposeAnnotation]);
        });
        return await holdNow({ ...held, waitMs: Math.max(0, waitMs - (now() - begunAt)) }, work);
      } finally {
        resolve();
      }
    },
  };
}
