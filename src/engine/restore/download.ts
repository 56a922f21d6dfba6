// Reads one large object as a stream of pieces, several of them under way at once. Each is a request of its own, so
// that a broken connection costs one piece and not the hours before it.
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
  /** Told before each further try of a piece. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
  readonly signal: AbortSignal;
}

/** As large as an upload's parts: fewer requests would not be faster, and `parallel` + 1 pieces are in memory. */
const pieceBytesDefault = 8 * 1024 * 1024;
const attempts = 8;

/** Yields the object's content in order, in chunks as they came; ahead of its reader are at most `parallel` pieces. */
export async function* downloadPieces(options: DownloadOptions): AsyncGenerator<Buffer, void, undefined> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const pieceBytes = options.pieceBytes ?? pieceBytesDefault;
  const pending: Promise<readonly Buffer[]>[] = [];
  try {
    for (let start = 0; start < options.size || pending.length > 0;) {
      while (start < options.size && pending.length < options.parallel) {
        const end = Math.min(start + pieceBytes, options.size) - 1;
        const piece = fetchPiece({ ...options, signal }, { start, end });
        // A failure is met when its turn comes; until then it must not count as unhandled.
        piece.catch(() => {});
        pending.push(piece);
        start = end + 1;
      }
      yield* (await pending.shift()) ?? [];
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

async function fetchPiece(options: DownloadOptions, range: Range): Promise<readonly Buffer[]> {
  return await retry(() => readRange(options, range), {
    attempts,
    firstMs: 500,
    maxMs: 15_000,
    signal: options.signal,
    isTransient: (error) => isStoreError(error) && error.transient,
    ...(options.onRetry === undefined ? {} : { onRetry: options.onRetry }),
  });
}

/** The whole range, uncopied: a piece that breaks off must not have been given to anyone yet. */
async function readRange({ store, key, signal }: DownloadOptions, range: Range): Promise<readonly Buffer[]> {
  const { body } = await store.get(key, { range, signal });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
    }
  } finally {
    body.destroy();
  }
  const bytes = range.end - range.start + 1;
  if (length !== bytes) throw new StoreError("Corrupt", `${key} gave ${length} of ${bytes} bytes from ${range.start}`);
  return chunks;
}
