// Runs file writes beside each other, bounded in number and in bytes: one directory of a cluster holds thousands of
// small files, and each costs several round trips to the file system.

export interface WriteQueueLimits {
  readonly tasks: number;
  readonly bytes: number;
}

export class WriteQueue {
  readonly #limits: WriteQueueLimits;
  readonly #running = new Set<Promise<void>>();
  #bytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(limits: WriteQueueLimits) {
    this.#limits = limits;
  }

  /**
   * Starts `task`, which holds `bytes` of memory, as soon as there is room for it. Throws the first failure of any task
   * so far. `ended` never rejects: failures are thrown here and by `drain`.
   */
  async add(bytes: number, task: () => Promise<void>): Promise<{ readonly ended: Promise<void> }> {
    while (this.#running.size > 0 && this.#isFull(bytes)) await Promise.race(this.#running);
    this.#throwFailure();
    this.#bytes += bytes;
    const running = task()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#bytes -= bytes;
        this.#running.delete(running);
      });
    this.#running.add(running);
    return { ended: running };
  }

  /** Waits for all tasks, also after a failure, which it then throws. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#throwFailure();
  }

  #isFull(bytes: number): boolean {
    return this.#running.size >= this.#limits.tasks || this.#bytes + bytes > this.#limits.bytes;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
