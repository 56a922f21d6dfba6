// Keeps a local copy of the objects of one resource: list, then watch from there, list again when the server has
// forgotten where we were. A connection that says nothing for too long counts as dead: the API server sends a bookmark
// about once a minute, so silence means that nobody is at the other end.
//
//   list ──▶ watch ──(server's time limit, broken, silent)──▶ watch
//     ▲        └────────────(410 Expired)──────────┐
//     └────────────────────────────────────────────┘      every error first waits, longer each time
import { delay, waitFor } from "#std/abort.ts";
import { backoffMs } from "#std/backoff.ts";
import type { Logger } from "#observe/logger.ts";
import type { KubeClient, WatchEvent } from "./client.ts";
import { isKubeError } from "./errors.ts";
import { type Change, type Indexes, ObjectCache } from "./object-cache.ts";
import type { KubeObject, ObjectKey, Resource } from "./object.ts";
import { describeResource } from "./resource-path.ts";

export interface InformerOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource;
  readonly logger: Logger;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly indexes?: Indexes<T>;
  /** Drops what nobody reads, to save memory; managedFields are dropped in any case. */
  readonly slim?: (object: T) => T;
  /** Silence after which a watch is given up. */
  readonly silenceMaxMs?: number;
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
}

export type ChangeHandler<T> = (change: Change<T>) => void;

export interface Informer<T extends KubeObject> {
  readonly resource: Resource;
  /** Runs until `signal` aborts; never throws. */
  run(signal: AbortSignal): Promise<void>;
  /** True once the first list is in the cache and was handed to every handler. */
  hasSynced(): boolean;
  synced(signal: AbortSignal): Promise<void>;
  /** Milliseconds since the server last said anything (list, event or bookmark); Infinity before the first list. */
  silentForMs(): number;
  /** Frozen objects, possibly a moment old. */
  get(key: ObjectKey): T | undefined;
  list(): readonly T[];
  byIndex(name: string, value: string): readonly T[];
  /** Tells every later change, and first each object that is already known as "added". Returns how to stop that. */
  subscribe(handler: ChangeHandler<T>): () => void;
}

/** A watch that ends sooner than this without a word counts as an error, so that a confused server is not hammered. */
const watchMinMs = 1000;

export function createInformer<T extends KubeObject>(options: InformerOptions<T>): Informer<T> {
  const { client, resource, logger, silenceMaxMs = 180_000, backoff = { firstMs: 500, maxMs: 30_000 } } = options;
  const { namespace, labelSelector, fieldSelector } = options;
  const scope = {
    ...(namespace !== undefined && { namespace }),
    ...(labelSelector !== undefined && { labelSelector }),
    ...(fieldSelector !== undefined && { fieldSelector }),
  };
  const cache = new ObjectCache<T>(options.indexes);
  const handlers = new Set<ChangeHandler<T>>();
  const { promise: firstSync, resolve: announceSync } = Promise.withResolvers<void>();
  let isSynced = false;
  let heardAt: number | undefined;
  /** Where the next watch begins; undefined: list first. */
  let resourceVersion: string | undefined;
  let failures = 0;

  const slim = (object: T): T => {
    const { managedFields: _, ...metadata } = object.metadata as T["metadata"] & { readonly managedFields?: unknown };
    const lighter = { ...object, metadata };
    return options.slim === undefined ? lighter : options.slim(lighter);
  };

  function tell(handler: ChangeHandler<T>, change: Change<T>): void {
    try {
      handler(change);
    } catch (error) {
      const { namespace, name } = change.object.metadata;
      logger.error({ err: error, kind: resource.kind, namespace, name }, "handler of a watched object failed");
    }
  }

  function heard(): void {
    heardAt = performance.now();
    if (failures > 0) logger.info({ kind: resource.kind, attempt: failures }, "watching again");
    failures = 0;
  }

  function publish(changes: readonly Change<T>[]): void {
    for (const change of changes) for (const handler of handlers) tell(handler, change);
  }

  async function relist(signal: AbortSignal): Promise<string> {
    const list = await client.list<T>(resource, { ...scope, signal });
    heard();
    publish(cache.replaceAll(list.items.map(slim)));
    isSynced = true;
    announceSync();
    return list.resourceVersion;
  }

  function receive(event: WatchEvent<T>): string {
    if (event.type === "BOOKMARK") return event.resourceVersion;
    const object = slim(event.object);
    publish(event.type === "DELETED" ? cache.remove(object) : cache.set(object));
    return event.object.metadata.resourceVersion ?? "";
  }

  async function watch(from: string, signal: AbortSignal): Promise<void> {
    const silence = new AbortController();
    const guard = setTimeout(() => silence.abort(), silenceMaxMs);
    const began = performance.now();
    let eventCount = 0;
    try {
      const limited = AbortSignal.any([signal, silence.signal]);
      for await (const event of client.watch<T>(resource, { ...scope, resourceVersion: from, signal: limited })) {
        guard.refresh();
        heard();
        eventCount++;
        resourceVersion = receive(event) || resourceVersion;
      }
    } catch (error) {
      if (!silence.signal.aborted) throw error;
      throw new Error(`watch ${describeResource(resource)}: nothing heard for ${silenceMaxMs} ms`, { cause: error });
    } finally {
      clearTimeout(guard);
    }
    if (eventCount === 0 && performance.now() - began < watchMinMs)
      throw new Error(`watch ${describeResource(resource)}: ended at once`);
  }

  async function recover(error: unknown, signal: AbortSignal): Promise<void> {
    if (isKubeError(error, "Expired")) resourceVersion = undefined;
    failures++;
    const delayMs = backoffMs(failures, backoff);
    const level = failures === 1 && !isKubeError(error, "Expired") ? "warn" : "debug";
    logger[level]({ err: error, kind: resource.kind, attempt: failures, delayMs }, "watch interrupted");
    await delay(delayMs, signal);
  }

  return {
    resource,
    async run(signal) {
      while (!signal.aborted) {
        try {
          resourceVersion ??= await relist(signal);
          await watch(resourceVersion, signal);
        } catch (error) {
          if (!signal.aborted) await recover(error, signal).catch(() => undefined); // only the abort ends the wait
        }
      }
    },
    hasSynced: () => isSynced,
    synced: (signal) => waitFor(firstSync, signal),
    silentForMs: () => (heardAt === undefined ? Infinity : performance.now() - heardAt),
    get: (key) => cache.get(key),
    list: () => cache.list(),
    byIndex: (name, value) => cache.byIndex(name, value),
    subscribe(handler) {
      handlers.add(handler);
      for (const object of cache.list()) tell(handler, { type: "added", object });
      return () => handlers.delete(handler);
    },
  };
}
