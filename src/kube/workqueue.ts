// The queue between watchers and workers: a key waits in it at most once, is never handed to two workers at the same
// time, and comes back later and later while it keeps failing. Time comes from an injected clock.
//
//   add ──▶ waiting ──take──▶ active ──done──▶ gone, or waiting again if it was added meanwhile
//   addAfter / retry ──▶ delayed ──(time)──▶ as add

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls `run` once after `ms`; the result cancels it. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export interface WorkQueueOptions {
  readonly clock?: Clock;
  /** The wait after the first failure of a key; doubled each time. */
  readonly firstMs?: number;
  readonly maxMs?: number;
  /** Keys that may wait or be delayed at once. */
  readonly capacity?: number;
  /** Called when the queue has emptied after keys were refused for lack of room: now everything should be added again. */
  readonly onRoom?: () => void;
}

/** Node's timers overflow after 24.8 days; an early visit does no harm. */
const delayMaxMs = 24 * 3_600_000;

export class WorkQueue {
  readonly #clock: Clock;
  readonly #options: Required<Pick<WorkQueueOptions, "firstMs" | "maxMs" | "capacity">>;
  readonly #onRoom: () => void;
  readonly #waiting = new Set<string>();
  readonly #active = new Set<string>();
  /** Added while active: waits again once done. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { readonly dueAt: number; readonly cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  readonly #drained = Promise.withResolvers<void>();
  #refused = false;
  #isShutDown = false;

  constructor(options: WorkQueueOptions = {}) {
    const { clock = systemClock, firstMs = 5, maxMs = 300_000, capacity = 100_000 } = options;
    this.#clock = clock;
    this.#options = { firstMs, maxMs, capacity };
    this.#onRoom = options.onRoom ?? (() => undefined);
  }

  /** Keys that wait for a worker now; delayed ones do not count. */
  get length(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    if (this.#isShutDown) return;
    this.#undelay(key);
    if (this.#active.has(key)) {
      this.#again.add(key);
      return;
    }
    const taker = this.#takers.shift();
    if (taker !== undefined) return taker(this.#activate(key));
    if (!this.#isFullFor(key)) this.#waiting.add(key);
  }

  /** Adds the key after `ms`, unless it is already due earlier. */
  addAfter(key: string, ms: number): void {
    if (this.#isShutDown) return;
    if (ms <= 0) return this.add(key);
    const wait = Math.min(ms, delayMaxMs);
    const dueAt = this.#clock.now() + wait;
    const earlier = this.#delayed.get(key);
    if (earlier !== undefined && earlier.dueAt <= dueAt) return;
    if (earlier === undefined && this.#isFullFor(key)) return;
    earlier?.cancel();
    this.#delayed.set(key, { dueAt, cancel: this.#clock.after(wait, () => this.add(key)) });
  }

  /** Adds the key after a wait that doubles with each failure since the last `forget`; returns the wait. */
  retry(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const wait = Math.min(this.#options.maxMs, this.#options.firstMs * 2 ** Math.min(failures, 40));
    this.addAfter(key, wait);
    return wait;
  }

  /** How often the key was retried since it was last forgotten. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key, which is then active until `done`; undefined once the queue is shut down. */
  take(): Promise<string | undefined> {
    if (this.#isShutDown) return Promise.resolve(undefined);
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      return Promise.resolve(this.#activate(key));
    }
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(key: string): void {
    this.#active.delete(key);
    if (this.#isShutDown) return this.#settle();
    if (this.#again.delete(key)) this.add(key);
    if (!this.#refused || this.#waiting.size > 0) return;
    this.#refused = false;
    this.#onRoom();
  }

  /** Takes no more keys and gives none out; resolves when the active ones are done. Waiting keys are dropped. */
  shutDown(): Promise<void> {
    this.#isShutDown = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#waiting.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
    this.#settle();
    return this.#drained.promise;
  }

  #activate(key: string): string {
    this.#active.add(key);
    return key;
  }

  #undelay(key: string): void {
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
  }

  #settle(): void {
    if (this.#active.size === 0) this.#drained.resolve();
  }

  #isFullFor(key: string): boolean {
    if (this.#waiting.has(key) || this.#waiting.size + this.#delayed.size < this.#options.capacity) return false;
    this.#refused = true;
    return true;
  }
}
