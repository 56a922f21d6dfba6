// The way from a store of either kind to what it means: its Repository. Callers know the port only; which engine is behind
// it, and how it keeps others away while something is changed, is decided where the operator is put together.
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { Informer } from "#kube/informer.ts";
import type { Repository } from "#repository/repository.ts";
import type { StoreKey } from "./store-key.ts";

export type StoreObject =
  | { readonly kind: "ObjectStore"; readonly object: ObjectStore }
  | { readonly kind: "Stanza"; readonly object: Stanza };

export interface OpenedRepository {
  readonly repository: Repository;
  /** Does what removes something, while nobody else changes the repository. */
  readonly alone: <T>(purpose: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}

export interface OpenRepositoryOptions {
  readonly signal: AbortSignal;
  /** Of a Stanza that has several: only this one. */
  readonly repository?: number | undefined;
}

/** With the Secrets as they are now. */
export type OpenRepository = (store: StoreObject, options: OpenRepositoryOptions) => Promise<OpenedRepository>;

export interface StoreCaches {
  readonly stores: Informer<ObjectStore>;
  readonly stanzas: Informer<Stanza>;
}

export function findStore({ stores, stanzas }: StoreCaches, key: StoreKey): StoreObject | undefined {
  if (key.kind === "Stanza") {
    const object = stanzas.get(key);
    return object && { kind: "Stanza", object };
  }
  const object = stores.get(key);
  return object && { kind: "ObjectStore", object };
}
