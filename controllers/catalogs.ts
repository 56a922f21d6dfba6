// What the leader last read from each store: the memory that Backup records are judged by, so that a thousand records
// cost no request. Filled by the store controller; a store that could not be read keeps its last catalogs, marked so.
import type { Reason } from "#api/conditions.ts";
import type { Catalog } from "#repository/catalog.ts";

/** The last look at a store. */
export interface StoreReading {
  readonly storeUid: string;
  /** By server name, from the last look that succeeded; undefined before the first. */
  readonly catalogs: ReadonlyMap<string, Catalog> | undefined;
  /** Why the newest look failed; absent when it succeeded. */
  readonly problem?: { readonly reason: Reason; readonly message: string };
}

export class Catalogs {
  readonly #readings = new Map<string, StoreReading>();
  readonly #listeners = new Set<(store: string) => void>();

  /** `store` is "namespace/name". */
  get(store: string): StoreReading | undefined {
    return this.#readings.get(store);
  }

  set(store: string, reading: StoreReading): void {
    this.#readings.set(store, reading);
    for (const listener of this.#listeners) listener(store);
  }

  delete(store: string): void {
    if (this.#readings.delete(store)) for (const listener of this.#listeners) listener(store);
  }

  /** Told after each look at a store, whatever it brought. Returns how to stop that. */
  subscribe(listener: (store: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
