// Writes tar archives (POSIX ustar) as a stream, always with the same bytes for the same content: time zero, owner root.
import { createReadStream } from "node:fs";
import { ClusterError } from "./errors.ts";

export interface TarEntry {
  /** Path inside the archive, without a leading slash; a folder's ends with one. At most 100 bytes. */
  readonly name: string;
  /** A text, a file to be read with its exact size, or the target of a symbolic link; a folder has none. */
  readonly content?:
    | { readonly text: string }
    | { readonly file: string; readonly size: number }
    | { readonly linkTo: string };
  /** Permissions; 0644, or 0755 for folders, when left out. */
  readonly mode?: number;
}

const blockSize = 512;

// POSIX.1-1988 ustar: name, mode, uid, gid, size, mtime, checksum, type, link name, magic, version …
const header = (entry: TarEntry, size: number): Buffer => {
  if (Buffer.byteLength(entry.name) > 100) throw new ClusterError("Command", `name too long for tar: ${entry.name}`);
  const block = Buffer.alloc(blockSize);
  const isFolder = entry.name.endsWith("/");
  const link = entry.content !== undefined && "linkTo" in entry.content ? entry.content.linkTo : undefined;
  const octal = (value: number, length: number): string => value.toString(8).padStart(length - 1, "0");
  block.write(entry.name, 0);
  block.write(octal(entry.mode ?? (isFolder ? 0o755 : 0o644), 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write("        ", 148);
  block.write(link === undefined ? (isFolder ? "5" : "0") : "2", 156);
  block.write(link ?? "", 157);
  block.write("ustar\0", 257);
  block.write("00", 263);
  block.write(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    )}\0 `,
    148,
  );
  return block;
};

const padding = (size: number): Buffer => Buffer.alloc((blockSize - (size % blockSize)) % blockSize);

/** The archive, piece by piece; never more than one piece of one file in memory. */
export async function* tar(entries: readonly TarEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const { content } = entry;
    if (content !== undefined && "text" in content) {
      const bytes = Buffer.from(content.text);
      yield header(entry, bytes.length);
      yield bytes;
      yield padding(bytes.length);
    } else if (content !== undefined && "file" in content) {
      yield header(entry, content.size);
      yield* createReadStream(content.file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
      yield padding(content.size);
    } else {
      yield header(entry, 0);
    }
  }
  yield Buffer.alloc(2 * blockSize);
}
