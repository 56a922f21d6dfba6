// A counting gate whose limit comes with each request, and the buffers that go with it. The archiver holds one slot for
// each upload under way: that bounds connections and memory together.

export interface Slots {
  readonly used: number;
  /** Takes a slot at once if fewer than `limit` are used. */
  tryAcquire(limit: number): boolean;
  /** Waits in line for a slot; rejects with the signal's reason when that aborts first. */
  acquire(limit: number, signal: AbortSignal): Promise<void>;
  release(): void;
}

interface Waiter {
  readonly limit: number;
  readonly resolve: () => void;
}

export function createSlots(): Slots {
  let used = 0;
  const waiting: Waiter[] = [];

  const admit = (): void => {
    for (let first = waiting[0]; first !== undefined && used < first.limit; first = waiting[0]) {
      waiting.shift();
      used++;
      first.resolve();
    }
  };
  return {
    get used() {
      return used;
    },
    tryAcquire(limit) {
      if (waiting.length > 0 || used >= limit) return false;
      used++;
      return true;
    },
    acquire(limit, signal) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const abandon = (): void => {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(signal.reason);
        admit();
      };
      const waiter: Waiter = {
        limit,
        resolve: () => {
          signal.removeEventListener("abort", abandon);
          resolve();
        },
      };
      signal.addEventListener("abort", abandon, { once: true });
      waiting.push(waiter);
      admit();
      return promise;
    },
    release() {
      used--;
      admit();
    },
  };
}

export interface BufferPool {
  /** A buffer of exactly `bytes`, with old content. */
  take(bytes: number): Buffer<ArrayBuffer>;
  /**
   * Gives a buffer back, which nobody may touch any more. After a failure something may still be reading it, a socket
   * for example: it is then left to the garbage collector.
   */
  give(buffer: Buffer<ArrayBuffer>, succeeded: boolean): void;
}

/**
 * Reuses buffers of WAL segment size: fresh ones cost page faults for every segment. No more lie free than are in use,
 * plus one; the others go back to the system at once, because an idle process may not collect garbage for hours.
 */
export function createBufferPool(): BufferPool {
  const free: Buffer<ArrayBuffer>[] = [];
  let inUse = 0;
  return {
    take(bytes) {
      const index = free.findIndex((buffer) => buffer.length === bytes);
      const buffer = free.splice(index, index < 0 ? 0 : 1)[0] ?? Buffer.allocUnsafeSlow(bytes);
      inUse++;
      return buffer;
    },
    give(buffer, succeeded) {
      inUse--;
      if (succeeded) free.push(buffer);
      for (const surplus of free.splice(0, free.length - inUse - 1)) releaseMemory(surplus);
    },
  };
}

/** Gives a buffer's memory back to the system at once, unless it is only a part of a larger one. */
export function releaseMemory({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
