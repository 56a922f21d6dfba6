// Reads one large object as a stream of pieces, several of them under way at once. Each is a request of its own, so
// that a broken connection costs one piece and not the hours before it.
import { finished } from "node:stream/promises";
import { retry } from "#std/backoff.ts";
import { isStoreError, StoreError } from "#store/errors.ts";
import type { ObjectStore } from "#store/store.ts";

export interface DownloadOptions {
  readonly store: ObjectStore;
  readonly key: string;
  /** The object's length in bytes, from a listing. */
  readonly size: number;
  readonly parallel: number;
  readonly pieceBytes?: number;
  readonly reuse?: boolean;
  /** Told before each further try of a piece. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
  readonly signal: AbortSignal;
}

/** As large as an upload's parts: fewer requests would not be faster, and `parallel` + 1 pieces are in memory. */
const pieceBytesDefault = 8 * 1024 * 1024;
const attempts = 8;

/**
 * Yields the object's content in order; ahead of its reader are at most `parallel` pieces. With `reuse`, a piece is valid
 * until the next one is asked for: then its memory takes up another. The chunks of the network are copied at once either
 * way, because the collector frees what dies young for nothing, but has to search the whole heap for what was kept.
 */
export async function* downloadPieces(options: DownloadOptions): AsyncGenerator<Buffer, void, undefined> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const pieceBytes = options.pieceBytes ?? pieceBytesDefault;
  const free: Buffer[] = [];
  const pending: Promise<Buffer>[] = [];
  try {
    for (let start = 0; start < options.size || pending.length > 0;) {
      while (start < options.size && pending.length < options.parallel) {
        const end = Math.min(start + pieceBytes, options.size) - 1;
        const memory = free.pop() ?? Buffer.allocUnsafeSlow(Math.min(pieceBytes, options.size));
        const piece = fetchPiece({ ...options, signal }, { start, end }, memory);
        // A failure is met when its turn comes; until then it must not count as unhandled.
        piece.catch(() => {});
        pending.push(piece);
        start = end + 1;
      }
      const piece = await pending.shift();
      if (piece === undefined) continue;
      yield piece;
      if (options.reuse === true) free.push(Buffer.from(piece.buffer));
    }
  } finally {
    stop.abort(new Error("the download was given up"));
    await Promise.allSettled(pending);
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}

async function fetchPiece(options: DownloadOptions, range: Range, memory: Buffer): Promise<Buffer> {
  return await retry(() => readRange(options, range, memory), {
    attempts,
    firstMs: 500,
    maxMs: 15_000,
    signal: options.signal,
    isTransient: (error) => isStoreError(error) && error.transient,
    ...(options.onRetry === undefined ? {} : { onRetry: options.onRetry }),
  });
}

/** The whole range at the begin of `memory`; none of a piece that breaks off is given to anyone. */
async function readRange({ store, key, signal }: DownloadOptions, range: Range, memory: Buffer): Promise<Buffer> {
  const bytes = range.end - range.start + 1;
  const { body } = await store.get(key, { range, signal });
  let length = 0;
  // Listening instead of iterating saves a handful of promises for each of thousands of small chunks.
  body.on("data", (chunk: Buffer) => {
    chunk.copy(memory, length, 0, Math.max(0, bytes - length));
    length += chunk.length;
  });
  try {
    await finished(body);
  } finally {
    body.destroy();
  }
  if (length !== bytes) throw new StoreError("Corrupt", `${key} gave ${length} of ${bytes} bytes from ${range.start}`);
  return memory.subarray(0, bytes);
}
