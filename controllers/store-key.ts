// How a store is named among stores of both kinds: an ObjectStore and a Stanza may have the same name.
import { keyOf, type ObjectKey } from "#kube/object.ts";

export type StoreKind = "ObjectStore" | "Stanza";

export interface StoreKey extends ObjectKey {
  readonly kind: StoreKind;
}

/** "Stanza db/main": the key of maps. */
export const storeKeyText = (key: StoreKey): string => `${key.kind} ${keyOf(key)}`;
