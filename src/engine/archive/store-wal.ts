// Stores one WAL file durably: read, digest, compress, conditional put. The archive ends up with exactly this content
// under the name, or the call fails; nothing is ever overwritten.
import { sha256Hex } from "#codec/digest.ts";
import { walKey } from "#repository/barman/layout.ts";
import { isStoreError, StoreError } from "#store/errors.ts";
import { isStored, sha256Metadata, systemIdMetadata, type LocalFile } from "./existing.ts";
import { describeObject, type ArchiveLocation } from "./location.ts";
import { releaseMemory, type BufferPool, type Slots } from "./slots.ts";
import { readWalFile, type Fingerprint } from "./wal-file.ts";

/**
 * How many files are read, digested and compressed at once. Two compress 700 MB/s on two processors, more than any store
 * takes, and what waits for the store afterwards is small.
 */
const preparedAtOnceMax = 2;

export interface StoreWalOptions {
  readonly location: ArchiveLocation;
  readonly systemId: string;
  readonly segmentBytes: number;
  /** Look for the same name under other compression suffixes before storing (one LIST). */
  readonly lookForOthers: boolean;
  readonly pool: BufferPool;
  readonly preparing: Slots;
  readonly signal: AbortSignal;
}

export interface StoredWal {
  readonly fingerprint: Fingerprint;
  /** Size of the file, and of the object; no object was written when the archive already had the same content. */
  readonly bytes: number;
  readonly storedBytes: number;
  readonly alreadyStored: boolean;
}

/** A file read and compressed, ready to be put. */
interface PreparedWal {
  readonly file: LocalFile;
  readonly fingerprint: Fingerprint;
  readonly body: Buffer;
  /** The pool's buffer, while `body` still is that. */
  readonly content: Buffer<ArrayBuffer> | undefined;
}

/** Throws ArchiveError ("LocalFile", "Conflict") or StoreError. */
export async function storeWal(path: string, options: StoreWalOptions): Promise<StoredWal> {
  const { content, fingerprint, file, body } = await prepare(path, options);
  // Whether the store has read the whole body: a connection that was refused or cut may still be sending it.
  let sent = false;
  try {
    const alreadyStored = await putUnlessStored(file, body, options);
    sent = !alreadyStored;
    return { fingerprint, bytes: file.bytes, storedBytes: alreadyStored ? 0 : body.length, alreadyStored };
  } finally {
    if (content !== undefined) options.pool.give(content, sent);
    else if (sent) releaseMemory(body);
  }
}

/** Takes its turn to read, digest and compress: only few do so at once, because each holds a whole segment. */
async function prepare(path: string, options: StoreWalOptions): Promise<PreparedWal> {
  const { location, systemId, segmentBytes, pool, preparing, signal } = options;
  await preparing.acquire(preparedAtOnceMax, signal);
  try {
    const { content, fingerprint } = await readWalFile(path, segmentBytes, pool);
    let [keep, done] = [false, false];
    try {
      const [sha256, body] = await Promise.all([sha256Hex(content), location.compression.compress(content, signal)]);
      [keep, done] = [body.buffer === content.buffer, true];
      const file = { name: path.slice(path.lastIndexOf("/") + 1), bytes: content.length, sha256, systemId };
      return { file, fingerprint, body, content: keep ? content : undefined };
    } finally {
      if (!keep) pool.give(content, done);
    }
  } finally {
    preparing.release();
  }
}

/** Whether the archive had the same content before; else it has now. */
async function putUnlessStored(file: LocalFile, body: Buffer, options: StoreWalOptions): Promise<boolean> {
  const { location, lookForOthers, signal } = options;
  const { server, compression, encryption, store } = location;
  if (lookForOthers && (await isStored(location, file, signal))) return true;

  const key = walKey(server, file.name, compression.extension);
  const tags = file.name.endsWith(".history") ? location.historyTags : location.tags;
  try {
    signal.throwIfAborted();
    await store.put(key, body, {
      ifAbsent: true,
      metadata: { [sha256Metadata]: file.sha256, [systemIdMetadata]: file.systemId },
      ...(tags === undefined ? {} : { tags }),
      ...(encryption === undefined ? {} : { encryption }),
      // Without compression the body is the content, and its digest is known already.
      ...(compression.extension === "" ? { sha256: file.sha256 } : {}),
      signal,
    });
    return false;
  } catch (error) {
    if (!isStoreError(error, "AlreadyExists")) throw error;
    if (await isStored(location, file, signal)) return true;
    const message = `${describeObject(location, key)} was there a moment ago and is gone`;
    throw new StoreError("Unavailable", message, { cause: error });
  }
}
