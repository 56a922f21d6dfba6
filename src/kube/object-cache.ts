// The objects an informer has seen, by key and by index. Objects are frozen: they are shared by everyone who reads them.
// Turns what arrives into changes (added, updated, deleted); knows no network.
import { keyOf, type KubeObject, type ObjectKey } from "./object.ts";

export type Change<T> =
  | { readonly type: "added"; readonly object: T }
  | { readonly type: "updated"; readonly object: T; readonly previous: T }
  | { readonly type: "deleted"; readonly object: T };

/** Index name → the values under which an object is to be found. */
export type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: Indexes<T>;
  /** Index name → value → keys. */
  readonly #entries = new Map<string, Map<string, Set<string>>>();

  constructor(indexes: Indexes<T> = {}) {
    this.#indexes = indexes;
    for (const name of Object.keys(indexes)) this.#entries.set(name, new Map());
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(keyOf(key));
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  byIndex(name: string, value: string): readonly T[] {
    const entries = this.#entries.get(name);
    if (entries === undefined) throw new TypeError(`there is no index "${name}"`);
    return [...(entries.get(value) ?? [])].flatMap((key) => this.#objects.get(key) ?? []);
  }

  /** An object of the same name with another uid is another object: its predecessor's deletion was missed. */
  set(object: T): readonly Change<T>[] {
    const key = keyOf(object.metadata);
    const previous = this.#objects.get(key);
    if (previous !== undefined && previous.metadata.uid !== object.metadata.uid)
      return [...this.remove(previous), ...this.set(object)];
    if (previous !== undefined && previous.metadata.resourceVersion === object.metadata.resourceVersion) return [];
    if (previous !== undefined) this.#unindex(key, previous);
    this.#objects.set(key, deepFreeze(object));
    this.#index(key, object);
    return [previous === undefined ? { type: "added", object } : { type: "updated", object, previous }];
  }

  /** `object` is what the deletion event carried, or the last that was seen. */
  remove(object: T): readonly Change<T>[] {
    const key = keyOf(object.metadata);
    const previous = this.#objects.get(key);
    if (previous === undefined) return [];
    this.#unindex(key, previous);
    this.#objects.delete(key);
    return [{ type: "deleted", object: deepFreeze(object) }];
  }

  /** Makes the cache equal to a fresh list. */
  replaceAll(objects: readonly T[]): readonly Change<T>[] {
    const present = new Set(objects.map((object) => keyOf(object.metadata)));
    const gone = this.list().filter((object) => !present.has(keyOf(object.metadata)));
    return [...gone.flatMap((object) => this.remove(object)), ...objects.flatMap((object) => this.set(object))];
  }

  #index(key: string, object: T): void {
    for (const [name, entries] of this.#entries) {
      for (const value of this.#indexes[name]?.(object) ?? []) {
        const keys = entries.get(value) ?? new Set();
        entries.set(value, keys.add(key));
      }
    }
  }

  #unindex(key: string, object: T): void {
    for (const [name, entries] of this.#entries) {
      for (const value of this.#indexes[name]?.(object) ?? []) {
        const keys = entries.get(value);
        keys?.delete(key);
        if (keys?.size === 0) entries.delete(value);
      }
    }
  }
}

/** Without recursion: the API server stores what is nested more deeply than our stack. */
function deepFreeze<V>(value: V): V {
  const rest: unknown[] = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next !== "object" || next === null || Object.isFrozen(next)) continue;
    for (const inner of Object.values(Object.freeze(next))) rest.push(inner);
  }
  return value;
}
