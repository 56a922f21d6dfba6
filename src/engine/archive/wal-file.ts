// Reading one finished WAL file of PGDATA into memory, with the proof that it was whole and did not change meanwhile.
import { open, stat, type FileHandle } from "node:fs/promises";
import { parseWalFileName } from "#postgres/segment.ts";
import { ArchiveError } from "./errors.ts";
import type { BufferPool } from "./slots.ts";

/** History files and backup labels are a few lines; a bigger one is not what its name says. */
const smallFileBytesMax = 1024 * 1024;
const xlpLongHeader = 0x0002;

/** Which state of which file: PostgreSQL never changes a file that it marked ready, so another state is another file. */
export type Fingerprint = string;

export interface WalFileContent {
  readonly content: Buffer<ArrayBuffer>;
  readonly fingerprint: Fingerprint;
}

/** Throws ArchiveError "LocalFile" when the file is not there. */
export async function fingerprintOf(path: string): Promise<Fingerprint> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    throw localFileError(error, path);
  }
}

/**
 * Reads the file whole into a buffer of the pool; the caller gives the buffer back. Segments and partial segments must be
 * exactly `segmentBytes` long. Throws ArchiveError "LocalFile" naming the file.
 */
export async function readWalFile(path: string, segmentBytes: number, pool: BufferPool): Promise<WalFileContent> {
  const fingerprint = await fingerprintOf(path);
  let buffer: Buffer<ArrayBuffer> | undefined;
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    checkSize(path, size, segmentBytes);
    buffer = pool.take(size);
    await readFully(file, buffer, path);
    if ((await fingerprintOf(path)) !== fingerprint) throw changed(path);
    return { content: buffer, fingerprint };
  } catch (error) {
    if (buffer !== undefined) pool.give(buffer, false);
    throw localFileError(error, path);
  }
}

/**
 * The database system that wrote a segment, from the long header of its first page; undefined when there is none.
 * `head` is the file's first 40 bytes (PostgreSQL: src/include/access/xlog_internal.h, XLogLongPageHeaderData).
 */
export function systemIdOfSegment(head: Buffer): string | undefined {
  if (head.length < 40 || (head.readUInt16LE(2) & xlpLongHeader) === 0) return undefined;
  return head.readBigUInt64LE(24).toString();
}

function checkSize(path: string, size: number, segmentBytes: number): void {
  const kind = parseWalFileName(path.slice(path.lastIndexOf("/") + 1))?.kind;
  if (kind === "segment" || kind === "partial") {
    if (size === segmentBytes) return;
    throw new ArchiveError("LocalFile", `${path} has ${size} bytes, not the ${segmentBytes} of a wal segment`);
  }
  if (size <= smallFileBytesMax) return;
  throw new ArchiveError("LocalFile", `${path} has ${size} bytes, more than the ${smallFileBytesMax} expected at most`);
}

async function readFully(file: FileHandle, buffer: Buffer, path: string): Promise<void> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, filled);
    if (bytesRead === 0) throw changed(path);
    filled += bytesRead;
  }
}

const changed = (path: string): ArchiveError => new ArchiveError("LocalFile", `${path} changed while it was read`);

function localFileError(error: unknown, path: string): ArchiveError {
  if (error instanceof ArchiveError) return error;
  const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
  const message = missing ? `${path} does not exist` : `reading ${path} failed: ${String(error)}`;
  return new ArchiveError("LocalFile", message, { cause: error });
}
