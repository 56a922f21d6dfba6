// Runs one reconcile function: watched objects become keys, keys wait in a queue, workers reconcile them one at a time
// each. What a reconcile throws is logged here and tried again later; nothing else does either.
import { randomUUID } from "node:crypto";
import type { Logger } from "#observe/logger.ts";
import { withDeadline } from "#std/abort.ts";
import { isKubeError } from "./errors.ts";
import type { Informer } from "./informer.ts";
import { keyOf, type KubeObject, type ObjectKey, parseKey } from "./object.ts";
import { type Clock, systemClock, WorkQueue } from "./workqueue.ts";

/** Where keys come from. */
export interface Source {
  synced(signal: AbortSignal): Promise<void>;
  /** Enqueues the keys of everything there is now, then of every change. Returns how to stop that. */
  subscribe(enqueue: (key: ObjectKey) => void): () => void;
  /** Enqueues the keys of everything there is now. */
  replay(enqueue: (key: ObjectKey) => void): void;
}

export type KeyMapper<T> = (object: T) => readonly ObjectKey[];

/** Maps each changed object to keys, and its former state too, so that what it no longer refers to is looked at again. */
export const sourceOf = <T extends KubeObject>(informer: Informer<T>, mapToKeys: KeyMapper<T>): Source => ({
  synced: (signal) => informer.synced(signal),
  subscribe: (enqueue) =>
    informer.subscribe((change) => {
      const states = change.type === "updated" ? [change.previous, change.object] : [change.object];
      for (const state of states) for (const key of mapToKeys(state)) enqueue(key);
    }),
  replay(enqueue) {
    for (const object of informer.list()) for (const key of mapToKeys(object)) enqueue(key);
  },
});

/** The mapper of a controller's own kind. */
export const ownKey: KeyMapper<KubeObject> = ({ metadata: { namespace, name } }) => [
  namespace === undefined ? { name } : { namespace, name },
];

export interface ReconcileResult {
  /** Look again after this time even if nothing changes. */
  readonly requeueAfterMs?: number;
}

export type Reconcile = (key: ObjectKey, signal: AbortSignal, logger: Logger) => Promise<ReconcileResult>;

/** For metrics. */
export interface ControllerObserver {
  reconciled(controller: string, result: "success" | "requeue" | "error", durationMs: number): void;
  queueLength(controller: string, length: number): void;
}

export interface ControllerOptions {
  readonly name: string;
  readonly sources: readonly Source[];
  readonly reconcile: Reconcile;
  readonly logger: Logger;
  readonly concurrency?: number;
  /** Of one reconcile: its signal aborts then. */
  readonly deadlineMs?: number;
  readonly observer?: ControllerObserver;
  readonly clock?: Clock;
}

/** Runs until `signal` aborts and the reconciles under way have returned. */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { sources, clock = systemClock, concurrency = 2 } = options;
  const queue = new WorkQueue({ clock, onRoom: () => sources.forEach((source) => source.replay(enqueue)) });
  const enqueue = (key: ObjectKey): void => {
    queue.add(keyOf(key));
    options.observer?.queueLength(options.name, queue.length);
  };
  // Workers start only when every cache is filled: a plan made on half of the facts would be wrong.
  const unsubscribes = sources.map((source) => source.subscribe(enqueue));
  try {
    await Promise.all(sources.map((source) => source.synced(signal)));
    const workers = Array.from({ length: concurrency }, () => work(queue, options, signal));
    const stop = (): void => void queue.shutDown();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    await Promise.all(workers);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const unsubscribe of unsubscribes) unsubscribe();
    await queue.shutDown();
  }
}

async function work(queue: WorkQueue, options: ControllerOptions, signal: AbortSignal): Promise<void> {
  for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
    options.observer?.queueLength(options.name, queue.length);
    await reconcileOnce(queue, key, options, signal);
    queue.done(key);
  }
}

async function reconcileOnce(
  queue: WorkQueue,
  key: string,
  options: ControllerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { name: controller, clock = systemClock, deadlineMs = 60_000, observer } = options;
  const objectKey = parseKey(key);
  const logger = options.logger.child({ controller, ...objectKey, reconcileID: randomUUID() });
  const startedAt = clock.now();
  try {
    const { requeueAfterMs } = await options.reconcile(objectKey, withDeadline(signal, deadlineMs), logger);
    queue.forget(key);
    if (requeueAfterMs !== undefined) queue.addAfter(key, requeueAfterMs);
    observer?.reconciled(controller, requeueAfterMs === undefined ? "success" : "requeue", clock.now() - startedAt);
  } catch (error) {
    if (signal.aborted) return; // we were told to stop: whoever leads next begins anew
    const requeueAfterMs = queue.retry(key);
    observer?.reconciled(controller, "error", clock.now() - startedAt);
    // A conflict is how an outdated observation ends; the next one is better.
    const level = isKubeError(error, "Conflict") ? "debug" : "warn";
    logger[level]({ err: error, attempt: queue.failuresOf(key), requeueAfterMs }, "reconcile failed");
  }
}
