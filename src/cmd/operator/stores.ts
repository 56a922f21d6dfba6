// The operator's way to a store: the ObjectStore from the cache, its Secrets read one by one (it may get Secrets, not
// list them), the store kept open while nothing of that changes.
import type { ObjectStore as StoreObject } from "#api/gen/object-store.ts";
import type { OpenStore } from "#controllers/object-store/observe.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, parseKey } from "#kube/object.ts";
import type { Logger } from "#observe/logger.ts";
import { StoreConfigError, type StoreConfig } from "#store/config.ts";
import { openStore } from "#store/open.ts";
import { createStoreSource, type StoreSource } from "#store/refreshing.ts";
import { resolveStoreConfig } from "#store/resolve.ts";
import { readSecretsOf } from "../secret-reader.ts";

/**
 * The operator reads little things and looks again soon, so it says early that a store does not answer: people wait for
 * the word, and other stores for the worker.
 */
const lookPolicy = { attempts: 2, tryMs: 8_000, totalMs: 18_000 };

export interface OperatorStores {
  /** By "namespace/name". */
  readonly source: StoreSource;
  readonly open: OpenStore;
  close(): void;
}

export function createOperatorStores(
  client: KubeClient,
  stores: Informer<StoreObject>,
  logger: Logger,
): OperatorStores {
  /** What the last reading of a store and its Secrets proved to be wrong. */
  const wrong = new Map<string, StoreConfigError>();
  const load = async (name: string, signal: AbortSignal): Promise<StoreConfig> => {
    const key = parseKey(name);
    const object = stores.get(key);
    if (object === undefined) throw new StoreConfigError("StoreNotFound", `ObjectStore ${key.name} does not exist`);
    const namespace = key.namespace ?? "";
    return { ...(await resolveStoreConfig(object, readSecretsOf(client, namespace), { signal })), namespace };
  };
  const source = createStoreSource({
    load: async (name, signal) => {
      try {
        const config = await load(name, signal);
        wrong.delete(name);
        return config;
      } catch (error) {
        if (error instanceof StoreConfigError && error.kind === "StoreNotFound") wrong.delete(name);
        else if (error instanceof StoreConfigError && !error.transient) wrong.set(name, error);
        throw error;
      }
    },
    open: (config, options) => openStore(config, { ...options, policy: lookPolicy }),
    now: () => performance.now(),
    logger,
  });
  return {
    source,
    open: async (object, signal) => {
      const name = keyOf({ namespace: object.metadata.namespace ?? "", name: object.metadata.name });
      source.invalidate(name);
      const opened = await source.get(name, { signal });
      // What was read before stays in use elsewhere; here it must be said that it no longer holds.
      const error = wrong.get(name);
      if (error !== undefined) throw error;
      return opened;
    },
    close: () => source.close(),
  };
}
