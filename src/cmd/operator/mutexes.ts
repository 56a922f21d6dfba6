// One Mutex for each Lease in this process: its users take turns in it, and to the Lease they are all one.
import type { KubeClient } from "#kube/client.ts";
import { createLeaseMutex } from "#kube/lease-mutex.ts";
import type { Mutex } from "#kube/mutex.ts";
import { keyOf, type ObjectKey } from "#kube/object.ts";
import type { Logger } from "#observe/logger.ts";

export interface MutexDeps {
  readonly client: KubeClient;
  /** Of this process. */
  readonly identity: string;
  readonly logger: Logger;
}

export function createMutexes(deps: MutexDeps): (lease: Required<ObjectKey>) => Mutex {
  const mutexes = new Map<string, Mutex>();
  return (lease) => {
    const key = keyOf(lease);
    const mutex = mutexes.get(key) ?? createLeaseMutex({ ...deps, lease });
    mutexes.set(key, mutex);
    return mutex;
  };
}
