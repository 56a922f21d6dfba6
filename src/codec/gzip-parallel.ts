// A gzip encoder that uses several processors and still writes ONE gzip member, because Python's tarfile, and with it
// barman-cloud, reads no further than the first. The input is cut into blocks that are deflated independently, each with
// the 32 KiB before it as dictionary; ended on a byte boundary, their outputs join into one deflate stream (as pigz does).
import { promisify } from "node:util";
import { constants, crc32, deflateRaw as deflateRawCallback, type ZlibOptions } from "node:zlib";
import { gzipSettings } from "./compression.ts";

/** Larger blocks gain no size, smaller ones cost a deflate state each. Also what one worker holds in memory. */
const blockBytes = 512 * 1024;
/** The window of deflate (RFC 1951, section 2): no back reference reaches further. */
const dictionaryBytes = 32 * 1024;
/** RFC 1952, section 2.3: magic, deflate, no flags, no time, fastest, Unix. */
const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3]);
/** RFC 1951, section 3.2.6: a last block with fixed codes that holds nothing but its end mark. */
const lastBlock = Buffer.from([0x03, 0x00]);

const deflateRaw = promisify(
  deflateRawCallback as (b: Uint8Array, o: ZlibOptions, done: (e: Error | null, r: Buffer) => void) => void,
);

export interface GzipOptions {
  /** How many blocks are deflated at the same time; libuv's pool has four threads unless told otherwise. */
  readonly parallel: number;
  /** 1 (fastest, and the default) to 9. */
  readonly level?: number;
  readonly signal: AbortSignal;
}

/**
 * Compresses `chunks` (which may be reused by their maker once the next one is asked for) to one gzip member. Holds
 * `parallel` + 2 blocks of 512 KiB and their outputs; pulls no further ahead than that.
 */
export async function* compressGzip(
  chunks: AsyncIterable<Uint8Array>,
  options: GzipOptions,
): AsyncIterable<Uint8Array> {
  const underWay: Promise<Buffer>[] = [];
  let dictionary: Buffer | undefined;
  let checksum = 0;
  let bytes = 0;
  yield header;
  for await (const block of cutBlocks(chunks, options.parallel + 2)) {
    options.signal.throwIfAborted();
    checksum = crc32(block, checksum);
    bytes += block.length;
    underWay.push(deflateBlock(block, dictionary, options.level ?? gzipSettings.level));
    dictionary = block.subarray(-dictionaryBytes);
    if (underWay.length > options.parallel) yield await take(underWay);
  }
  while (underWay.length > 0) yield await take(underWay);
  options.signal.throwIfAborted();
  yield lastBlock;
  yield trailer(checksum, bytes);
}

/** The oldest output; the order of the blocks is the order of the stream. */
async function take(underWay: Promise<Buffer>[]): Promise<Buffer> {
  return (await underWay.shift()) ?? Buffer.alloc(0);
}

/** A sync flush ends the output on a byte boundary, so that the next block's can follow. zlib copies the dictionary at once. */
function deflateBlock(block: Buffer, dictionary: Buffer | undefined, level: number): Promise<Buffer> {
  const output = deflateRaw(block, {
    level,
    memLevel: gzipSettings.memLevel,
    chunkSize: blockBytes / 4,
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(dictionary !== undefined && { dictionary }),
  });
  // When the consumer stops early nobody awaits this one any more; its failure must not end the process.
  output.catch(() => undefined);
  return output;
}

/** Cuts the input into blocks of equal length (the last may be shorter), filling `count` buffers in turn. */
async function* cutBlocks(chunks: AsyncIterable<Uint8Array>, count: number): AsyncIterable<Buffer> {
  const ring: Buffer[] = [];
  let turn = 0;
  let filled = 0;
  const current = (): Buffer => (ring[turn % count] ??= Buffer.allocUnsafeSlow(blockBytes));
  for await (const chunk of chunks) {
    for (let offset = 0; offset < chunk.byteLength;) {
      const piece = chunk.subarray(offset, offset + blockBytes - filled);
      current().set(piece, filled);
      filled += piece.byteLength;
      offset += piece.byteLength;
      if (filled < blockBytes) continue;
      yield current();
      turn++;
      filled = 0;
    }
  }
  if (filled > 0) yield current().subarray(0, filled);
}

/** RFC 1952, section 2.3.1: CRC-32 and length modulo 2^32 of the input, little endian. */
function trailer(checksum: number, bytes: number): Buffer {
  const end = Buffer.alloc(8);
  end.writeUInt32LE(checksum, 0);
  end.writeUInt32LE(bytes % 2 ** 32, 4);
  return end;
}
