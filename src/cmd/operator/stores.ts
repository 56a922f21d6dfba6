// The operator's way to a store: the ObjectStore from the cache, its Secrets read one by one (it may get Secrets, not
// list them), the store kept open while nothing of that changes.
import type { ObjectStore as StoreObject } from "#api/gen/object-store.ts";
import type { OpenStore } from "#controllers/object-store/observe.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, keyOfObject, parseKey } from "#kube/object.ts";
import type { Logger } from "#observe/logger.ts";
import { StoreConfigError } from "#store/config.ts";
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
  const source = createStoreSource({
    load: async (name, signal) => {
      const key = parseKey(name);
      const object = stores.get(key);
      if (object === undefined) throw new StoreConfigError("StoreNotFound", `ObjectStore ${key.name} does not exist`);
      const namespace = key.namespace ?? "";
      return { ...(await resolveStoreConfig(object, readSecretsOf(client, namespace), { signal })), namespace };
    },
    open: (config, options) => openStore(config, { ...options, policy: lookPolicy }),
    now: () => performance.now(),
    logger,
  });
  stores.subscribe(({ type, object }) => {
    if (type === "deleted") source.forget(keyOf(keyOfObject(object)));
  });
  return {
    source,
    open: ({ metadata }, signal) =>
      source.reload(keyOf({ namespace: metadata.namespace ?? "", name: metadata.name }), { signal }),
    close: () => source.close(),
  };
}
