// A source of keys that other controllers pull: "look at this object now".
import type { Source } from "#kube/controller.ts";
import type { ObjectKey } from "#kube/object.ts";

export class Trigger implements Source {
  readonly #listeners = new Set<(key: ObjectKey) => void>();

  fire(key: ObjectKey): void {
    for (const listener of this.#listeners) listener(key);
  }

  async synced(): Promise<void> {
    // There is nothing to wait for: a trigger knows no objects.
  }

  subscribe(enqueue: (key: ObjectKey) => void): () => void {
    this.#listeners.add(enqueue);
    return () => this.#listeners.delete(enqueue);
  }

  replay(): void {
    // What was pulled before nobody listened is found by the objects' own sources.
  }
}
