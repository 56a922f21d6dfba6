// What the leader last read from each store: the memory that Backup records are judged by, so that a thousand records
// cost no request. Filled by the store controller; a store that could not be read keeps its last catalogs, marked so.
import type { Reason } from "#api/conditions.ts";
import type { Catalog } from "#repository/catalog.ts";
import { BoundedMap } from "#std/bounded-map.ts";
import { storeKeyText, type StoreKey } from "./store-key.ts";

/** The last look at a store. */
export interface StoreReading {
  readonly storeUid: string;
  /** When the look began, in monotonic milliseconds: what was written later may be missing in it. */
  readonly startedAt: number;
  /** By server name, from the last look that succeeded; undefined before the first. */
  readonly catalogs: ReadonlyMap<string, Catalog> | undefined;
  /** Why the newest look failed; absent when it succeeded. */
  readonly problem?: ReadingProblem;
  /** Of a Stanza: the repositories that could not be read, by number. The catalogs say nothing of them. */
  readonly unread?: ReadonlyMap<number, ReadingProblem>;
}

export interface ReadingProblem {
  readonly reason: Reason;
  readonly message: string;
}

/** Deleted backups, and deleted records, that are remembered at most. */
const deletedMax = 1_000;

export class Catalogs {
  /** Backups that we removed, with when: a look that began before may still list them. */
  readonly #deleted = new BoundedMap<string, number>(deletedMax);
  /** Backups whose record was deleted. */
  readonly #recordsDeleted = new BoundedMap<string, true>(deletedMax);
  readonly #readings = new Map<string, StoreReading>();
  readonly #listeners = new Set<(store: StoreKey) => void>();

  get(store: StoreKey): StoreReading | undefined {
    return this.#readings.get(storeKeyText(store));
  }

  set(store: StoreKey, reading: StoreReading): void {
    this.#readings.set(storeKeyText(store), reading);
    for (const listener of this.#listeners) listener(store);
  }

  delete(store: StoreKey): void {
    if (this.#readings.delete(storeKeyText(store))) for (const listener of this.#listeners) listener(store);
  }

  /** A backup was removed from the store just now. */
  noteDeleted(store: StoreKey, server: string, id: string): void {
    this.#deleted.set(`${storeKeyText(store)}/${server}/${id}`, performance.now());
  }

  /** Somebody deleted the record of a backup. */
  noteRecordDeleted(store: StoreKey, server: string, id: string): void {
    this.#recordsDeleted.set(`${storeKeyText(store)}/${server}/${id}`, true);
  }

  /** Whether the record of a backup was deleted; says so once. */
  takeRecordDeleted(store: StoreKey, server: string, id: string): boolean {
    return this.#recordsDeleted.delete(`${storeKeyText(store)}/${server}/${id}`);
  }

  /** Whether a look that began then lists the backup only because it was removed meanwhile. */
  isDeletedSince(startedAt: number, store: StoreKey, server: string, id: string): boolean {
    return (this.#deleted.get(`${storeKeyText(store)}/${server}/${id}`) ?? -Infinity) >= startedAt;
  }

  /** Told after each look at a store, whatever it brought. Returns how to stop that. */
  subscribe(listener: (store: StoreKey) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
