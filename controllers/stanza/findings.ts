// What another controller last found out about a Stanza, on its way to the one that writes the status.

const rememberedMax = 10_000;

export class Findings<T> {
  readonly #byUid = new Map<string, T>();

  /** Of the Stanza with this uid; undefined when there is none since this process leads. */
  get(uid: string): T | undefined {
    return this.#byUid.get(uid);
  }

  set(uid: string, finding: T): void {
    this.#byUid.delete(uid);
    this.#byUid.set(uid, finding);
    for (const oldest of this.#byUid.keys()) {
      if (this.#byUid.size <= rememberedMax) break;
      this.#byUid.delete(oldest);
    }
  }
}
