// What the archive already holds under a WAL file's name, whatever its compression, and whether the content is the same.
// An archived file is never overwritten, so this comparison decides between success and conflict.
import { createHash } from "node:crypto";
import { pipeline } from "node:stream";
import { byExtension } from "#codec/compression.ts";
import { CodecError } from "#codec/errors.ts";
import { parseWalKey, walPrefix, type WalExtension } from "#repository/barman/layout.ts";
import { isStoreError } from "#store/errors.ts";
import { ArchiveError } from "./errors.ts";
import { describeObject, type ArchiveLocation } from "./location.ts";
import { systemIdOfSegment } from "./wal-file.ts";

/** User metadata of each stored WAL file: the SHA-256 of the uncompressed bytes, and the database system that wrote them. */
export const sha256Metadata = "holdfast-sha256";
export const systemIdMetadata = "holdfast-system-id";

export interface StoredObject {
  readonly key: string;
  readonly name: string;
  readonly extension: WalExtension;
}

/** The objects of one WAL file, one a compression suffix; with `.partial`, those of the partial segment of that name too. */
export async function listStored(
  location: ArchiveLocation,
  name: string,
  signal: AbortSignal,
): Promise<readonly StoredObject[]> {
  const found: StoredObject[] = [];
  for await (const entry of location.store.list(walPrefix(location.server, name), { signal })) {
    if (entry.kind !== "object") continue;
    const parsed = parseWalKey(location.server, entry.key);
    if (parsed !== undefined) found.push({ key: entry.key, ...parsed });
  }
  return found;
}

export interface LocalFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly systemId: string;
}

/**
 * Whether the archive already holds this file with the same content. False when it holds nothing under that name; throws
 * ArchiveError "Conflict" for an object with other content.
 */
export async function isStored(location: ArchiveLocation, file: LocalFile, signal: AbortSignal): Promise<boolean> {
  let stored = false;
  for (const object of await listStored(location, file.name, signal)) {
    if (object.name !== file.name) continue;
    const content = await readIdentity(location, object, file.bytes, signal);
    if (content === undefined) continue;
    if (content.sha256 !== file.sha256) throw conflict(location, object, file, content.systemId);
    stored = true;
  }
  return stored;
}

interface Identity {
  readonly sha256: string;
  readonly systemId: string | undefined;
}

/** Undefined when the object is gone meanwhile. Objects of barman carry no digest and are read back. */
async function readIdentity(
  location: ArchiveLocation,
  object: StoredObject,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Identity | undefined> {
  const head = await location.store.head(object.key, { signal });
  if (head === undefined) return undefined;
  const sha256 = head.metadata[sha256Metadata];
  if (sha256 !== undefined) return { sha256, systemId: head.metadata[systemIdMetadata] };
  try {
    return await readBack(location, object, bytesMax, signal);
  } catch (error) {
    if (isStoreError(error, "NotFound")) return undefined;
    if (!(error instanceof CodecError)) throw error;
    throw new ArchiveError("Conflict", `${describeObject(location, object.key)} cannot be compared: ${error.message}`, {
      cause: error,
      hint: "move the object away when it is a copy of the same segment, or archive to another serverName",
    });
  }
}

async function readBack(
  location: ArchiveLocation,
  object: StoredObject,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Identity> {
  const decompress = byExtension(object.extension).decompressStream();
  const { body } = await location.store.get(object.key, { signal });
  // A failure on the way destroys the last stream with it, so reading that one shows it.
  const content: AsyncIterable<Buffer> = pipeline(body, decompress, () => undefined);
  const hash = createHash("sha256");
  let head = Buffer.alloc(0);
  let bytes = 0;
  for await (const chunk of content) {
    if (head.length < 40) head = Buffer.concat([head, chunk.subarray(0, 40 - head.length)]);
    hash.update(chunk);
    bytes += chunk.length;
    // More than the local file holds is other content already, however much is still to come.
    if (bytes > bytesMax) break;
  }
  return { sha256: hash.digest("hex"), systemId: systemIdOfSegment(head) };
}

function conflict(
  location: ArchiveLocation,
  object: StoredObject,
  file: LocalFile,
  systemId: string | undefined,
): ArchiveError {
  const theirs = systemId === undefined ? "an unknown database system" : `database system ${systemId}`;
  return new ArchiveError(
    "Conflict",
    `${describeObject(location, object.key)} already holds other content, written by ${theirs}; ` +
      `this is ${file.name} of database system ${file.systemId}`,
    { hint: "is another cluster archiving to this server name? archived wal is never overwritten" },
  );
}
