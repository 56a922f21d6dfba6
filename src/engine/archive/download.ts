// Downloads one WAL file of an archive into a new local file: uncompressed, of the right size, with the digest that was
// recorded when it was stored. Whatever fails, the caller removes the file.
import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { byExtension } from "#codec/compression.ts";
import { parseWalFileName } from "#postgres/segment.ts";
import { walKey, type WalExtension } from "#repository/barman/layout.ts";
import { isStoreError, StoreError } from "#store/errors.ts";
import type { ObjectContent } from "#store/store.ts";
import { ArchiveError } from "./errors.ts";
import { listStored, sha256Metadata, type StoredObject } from "./existing.ts";
import { describeArchive, describeObject, type ArchiveLocation } from "./location.ts";
import type { WalRequest } from "./wal-archive.ts";

/** Small pieces from the network are written together: each write costs a round trip to the thread pool. */
const writeBytes = 1024 * 1024;

export interface BarmanRequest extends WalRequest {
  readonly location: ArchiveLocation;
}

/**
 * Saves the WAL file in a new file at `path` and returns the suffix it was found with, trying `extension` first. Throws
 * ArchiveError "NotFound" only after a listing that shows neither the file nor its partial segment.
 */
export async function downloadWal(
  request: BarmanRequest,
  path: string,
  extension: WalExtension,
  signal: AbortSignal,
): Promise<WalExtension> {
  if (await downloadWithSuffix(request, path, extension, signal)) return extension;
  const found = await findWal(request, signal);
  if (await downloadObject(request, path, found, signal)) return found.extension;
  throw new StoreError("Unavailable", `${describeObject(request.location, found.key)} was listed and is gone`);
}

/** Saves the WAL file if the archive has it with this suffix; false when not. */
export function downloadWithSuffix(
  request: BarmanRequest,
  path: string,
  extension: WalExtension,
  signal: AbortSignal,
): Promise<boolean> {
  const { location, name } = request;
  return downloadObject(request, path, { key: walKey(location.server, name, extension), extension }, signal);
}

/** The object that holds the file with any suffix, else its partial segment, as barman-cloud-wal-restore does. */
async function findWal({ location, name }: BarmanRequest, signal: AbortSignal): Promise<StoredObject> {
  const stored = await listStored(location, name, signal);
  const named = (wanted: string): StoredObject | undefined => {
    const objects = stored.filter((object) => object.name === wanted);
    return objects.find(({ extension }) => isReadable(extension)) ?? objects[0];
  };
  const found = named(name) ?? (parseWalFileName(name)?.kind === "segment" ? named(`${name}.partial`) : undefined);
  if (found !== undefined) return found;
  throw new ArchiveError("NotFound", `wal file ${name} is not in ${describeArchive(location)}`);
}

async function downloadObject(
  request: BarmanRequest,
  path: string,
  { key, extension }: Pick<StoredObject, "key" | "extension">,
  signal: AbortSignal,
): Promise<boolean> {
  const decompress = byExtension(extension).decompressStream();
  let content: ObjectContent;
  try {
    content = await request.location.store.get(key, { signal });
  } catch (error) {
    if (isStoreError(error, "NotFound")) return false;
    throw error;
  }
  await using file = await open(path, "wx", 0o600);
  const sink = createSink(file, request, content);
  await pipeline(content.body, decompress, sink.write, { signal });
  sink.check();
  return true;
}

/** Writes and measures; `check` compares with what the file should be. */
function createSink(
  file: FileHandle,
  { location, name, segmentBytes }: BarmanRequest,
  { key, metadata }: ObjectContent,
) {
  const hash = createHash("sha256");
  let bytes = 0;
  const damaged = (why: string): ArchiveError => new ArchiveError("Corrupt", `${describeObject(location, key)} ${why}`);
  return {
    write: async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      let pending: Buffer[] = [];
      let pendingBytes = 0;
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
        if (bytes > segmentBytes) throw damaged(`holds more than the ${segmentBytes} bytes of a segment`);
        pending.push(chunk);
        pendingBytes += chunk.length;
        if (pendingBytes < writeBytes) continue;
        await file.writev(pending);
        [pending, pendingBytes] = [[], 0];
      }
      if (pending.length > 0) await file.writev(pending);
    },
    check: (): void => {
      if (parseWalFileName(name)?.kind === "segment" && bytes !== segmentBytes) {
        throw damaged(`holds ${bytes} bytes, not the ${segmentBytes} of a segment`);
      }
      const expected = metadata[sha256Metadata];
      if (expected === undefined || expected === hash.digest("hex")) return;
      throw damaged("does not have the digest that it was stored with");
    },
  };
}

function isReadable(extension: WalExtension): boolean {
  try {
    byExtension(extension);
    return true;
  } catch {
    return false;
  }
}
