// What the leader last read from each store: the memory that Backup records are judged by, so that a thousand records
// cost no request. Filled by the store controller; a store that could not be read keeps its last catalogs, marked so.
import type { Reason } from "#api/conditions.ts";
import type { Catalog } from "#repository/catalog.ts";

/** The last look at a store. */
export interface StoreReading {
  readonly storeUid: string;
  /** When the look began, in monotonic milliseconds: what was written later may be missing in it. */
  readonly startedAt: number;
  /** By server name, from the last look that succeeded; undefined before the first. */
  readonly catalogs: ReadonlyMap<string, Catalog> | undefined;
  /** Why the newest look failed; absent when it succeeded. */
  readonly problem?: { readonly reason: Reason; readonly message: string };
}

/** Deleted backups, and deleted records, that are remembered at most. */
const deletedMax = 1_000;

export class Catalogs {
  /** Backups that we removed, with when: a look that began before may still list them. */
  readonly #deleted = new Map<string, number>();
  /** Backups whose record was deleted. */
  readonly #recordsDeleted = new Set<string>();
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

  /** A backup was removed from the store just now. */
  noteDeleted(store: string, server: string, id: string): void {
    this.#deleted.set(`${store}/${server}/${id}`, performance.now());
    for (const oldest of this.#deleted.keys()) {
      if (this.#deleted.size <= deletedMax) break;
      this.#deleted.delete(oldest);
    }
  }

  /** Somebody deleted the record of a backup. */
  noteRecordDeleted(store: string, server: string, id: string): void {
    this.#recordsDeleted.add(`${store}/${server}/${id}`);
    for (const oldest of this.#recordsDeleted) {
      if (this.#recordsDeleted.size <= deletedMax) break;
      this.#recordsDeleted.delete(oldest);
    }
  }

  /** Whether the record of a backup was deleted; says so once. */
  takeRecordDeleted(store: string, server: string, id: string): boolean {
    return this.#recordsDeleted.delete(`${store}/${server}/${id}`);
  }

  /** Whether a look that began then lists the backup only because it was removed meanwhile. */
  isDeletedSince(startedAt: number, store: string, server: string, id: string): boolean {
    return (this.#deleted.get(`${store}/${server}/${id}`) ?? -Infinity) >= startedAt;
  }

  /** Told after each look at a store, whatever it brought. Returns how to stop that. */
  subscribe(listener: (store: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
