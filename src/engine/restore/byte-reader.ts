// Reads a stream of chunks by counted bytes. What it hands out are views into the chunks wherever that is possible.

export interface ByteReaderOptions {
  /**
   * Awaited before each further chunk is asked for. The source may use the memory of the one before again, so whoever
   * works on views of it must be done by then.
   */
  readonly beforeNext?: () => Promise<void>;
}

export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #beforeNext: (() => Promise<void>) | undefined;
  #chunk: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>, { beforeNext }: ByteReaderOptions = {}) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#beforeNext = beforeNext;
  }

  /** At least one and at most `most` bytes; undefined at the end of the stream. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      await this.#beforeNext?.();
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    const taken = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /** Exactly `count` bytes; undefined when the stream ends before. */
  async exactly(count: number): Promise<Buffer | undefined> {
    const first = count === 0 ? Buffer.alloc(0) : await this.some(count);
    if (first === undefined || first.length === count) return first;
    // Copied before the next chunk comes, which may take the place of this one.
    const whole = Buffer.alloc(count);
    let length = first.copy(whole);
    while (length < count) {
      const more = await this.some(count - length);
      if (more === undefined) return undefined;
      length += more.copy(whole, length);
    }
    return whole;
  }

  /** Passes over `count` bytes; false when the stream ends before. */
  async skip(count: number): Promise<boolean> {
    for (let left = count; left > 0;) {
      const bytes = await this.some(left);
      if (bytes === undefined) return false;
      left -= bytes.length;
    }
    return true;
  }

  /** Stops reading and lets the source free what it holds. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
