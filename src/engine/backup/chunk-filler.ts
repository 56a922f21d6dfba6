// Cuts a byte stream into chunks of one size. Readers write straight into the free room of the chunk being filled, so
// that bytes on their way from a file to the store are never copied.

export class ChunkFiller {
  readonly #chunkBytes: number;
  #chunk: Buffer | undefined;
  #used = 0;

  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
  }

  /** The free rest of the current chunk, never empty. Its content is undefined until it is written. */
  get room(): Buffer {
    // A chunk is never reused: the store may still send it when the next one is filled.
    this.#chunk ??= Buffer.allocUnsafeSlow(this.#chunkBytes);
    return this.#chunk.subarray(this.#used);
  }

  /** Counts `bytes` of the room as written; the chunk when that filled it. */
  advance(bytes: number): Buffer | undefined {
    this.#used += bytes;
    if (this.#used < this.#chunkBytes) return undefined;
    return this.rest();
  }

  /** Copies `content` in; yields each chunk that it fills. */
  *append(content: Uint8Array): Generator<Buffer, void, undefined> {
    let done = 0;
    while (done < content.length) {
      const room = this.room;
      const bytes = Math.min(room.length, content.length - done);
      room.set(content.subarray(done, done + bytes));
      done += bytes;
      const full = this.advance(bytes);
      if (full !== undefined) yield full;
    }
  }

  /** Writes zero bytes; yields each chunk that they fill. */
  *appendZeros(count: number): Generator<Buffer, void, undefined> {
    let left = count;
    while (left > 0) {
      const room = this.room;
      const bytes = Math.min(room.length, left);
      room.fill(0, 0, bytes);
      left -= bytes;
      const full = this.advance(bytes);
      if (full !== undefined) yield full;
    }
  }

  /** What was written since the last full chunk, and begins a new one; undefined when that is nothing. */
  rest(): Buffer | undefined {
    const written = this.#chunk?.subarray(0, this.#used);
    this.#chunk = undefined;
    this.#used = 0;
    return written === undefined || written.length === 0 ? undefined : written;
  }
}
