// Stores one WAL file durably: read, digest, compress, conditional put. The archive ends up with exactly this content
// under the name, or the call fails; nothing is ever overwritten.
import { sha256Hex } from "#codec/digest.ts";
import { walKey } from "#repository/barman/layout.ts";
import { isStoreError, StoreError } from "#store/errors.ts";
import { isStored, sha256Metadata, systemIdMetadata, type LocalFile } from "./existing.ts";
import { describeObject, type ArchiveLocation } from "./location.ts";
import type { BufferPool } from "./slots.ts";
import { readWalFile, type Fingerprint } from "./wal-file.ts";

export interface StoreWalOptions {
  readonly location: ArchiveLocation;
  readonly systemId: string;
  readonly segmentBytes: number;
  /** Look for the same name under other compression suffixes before storing (one LIST). */
  readonly lookForOthers: boolean;
  readonly pool: BufferPool;
  readonly signal: AbortSignal;
}

export interface StoredWal {
  readonly fingerprint: Fingerprint;
  /** Size of the file, and of the object; no object was written when the archive already had the same content. */
  readonly bytes: number;
  readonly storedBytes: number;
  readonly alreadyStored: boolean;
}

/** Throws ArchiveError ("LocalFile", "Conflict") or StoreError. */
export async function storeWal(path: string, options: StoreWalOptions): Promise<StoredWal> {
  const { content, fingerprint } = await readWalFile(path, options.segmentBytes, options.pool);
  try {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const result = await storeContent(name, content, options);
    return { fingerprint, bytes: content.length, ...result };
  } finally {
    options.pool.give(content);
  }
}

async function storeContent(
  name: string,
  content: Buffer,
  { location, systemId, lookForOthers, signal }: StoreWalOptions,
): Promise<Pick<StoredWal, "storedBytes" | "alreadyStored">> {
  const [sha256, body] = await Promise.all([sha256Hex(content), location.compression.compress(content, signal)]);
  const file: LocalFile = { name, bytes: content.length, sha256, systemId };
  if (lookForOthers && (await isStored(location, file, signal))) return { storedBytes: 0, alreadyStored: true };

  const key = walKey(location.server, name, location.compression.extension);
  const tags = name.endsWith(".history") ? location.historyTags : location.tags;
  try {
    signal.throwIfAborted();
    await location.store.put(key, body, {
      ifAbsent: true,
      metadata: { [sha256Metadata]: sha256, [systemIdMetadata]: systemId },
      ...(tags === undefined ? {} : { tags }),
      ...(location.encryption === undefined ? {} : { encryption: location.encryption }),
      // Without compression the body is the content, and its digest is known already.
      ...(location.compression.extension === "" ? { sha256 } : {}),
      signal,
    });
    return { storedBytes: body.length, alreadyStored: false };
  } catch (error) {
    if (!isStoreError(error, "AlreadyExists")) throw error;
    if (await isStored(location, file, signal)) return { storedBytes: 0, alreadyStored: true };
    const message = `${describeObject(location, key)} was there a moment ago and is gone`;
    throw new StoreError("Unavailable", message, { cause: error });
  }
}
