// What retention last came to, from where it runs to where a Stanza's status is written.
import type { RetentionStatus } from "./retention-plan.ts";

const rememberedMax = 10_000;

export class Retentions {
  readonly #byUid = new Map<string, RetentionStatus>();

  /** Of the Stanza with this uid; undefined when it has not run since this process leads. */
  get(uid: string): RetentionStatus | undefined {
    return this.#byUid.get(uid);
  }

  set(uid: string, status: RetentionStatus): void {
    this.#byUid.delete(uid);
    this.#byUid.set(uid, status);
    for (const oldest of this.#byUid.keys()) {
      if (this.#byUid.size <= rememberedMax) break;
      this.#byUid.delete(oldest);
    }
  }
}
