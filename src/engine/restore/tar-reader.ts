// Reads a tar archive as a stream of entries with their bodies. Holds no more than the chunk it was given.
import { ByteReader, type ByteReaderOptions } from "./byte-reader.ts";
import { RestoreError } from "./errors.ts";
import {
  finishEntry,
  parseOverrides,
  parseTarBlock,
  tarBlockBytes,
  type TarEntry,
  type TarOverrides,
} from "./tar-entry.ts";

export interface TarMemberBody {
  readonly entry: TarEntry;
  /** The body in views of the source's chunks; what is not read of it is skipped. */
  readonly body: AsyncIterable<Buffer>;
}

/** Long paths and the records of one entry; nothing of a data directory needs more. */
const metaBytesMax = 1024 * 1024;

/**
 * Yields the members in order; each body is to be read before the next member is asked for. With `beforeNext`, views of
 * a body are valid until that is called.
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  options: ByteReaderOptions = {},
): AsyncGenerator<TarMemberBody, void, undefined> {
  const reader = new ByteReader(chunks, options);
  try {
    for (;;) {
      const entry = await readEntry(reader);
      if (entry === undefined) break;
      const body = new MemberBody(reader, entry);
      yield { entry, body };
      await body.skipRest();
    }
    await readPadding(reader);
  } finally {
    await reader.close();
  }
}

/**
 * What follows the end mark is zero bytes, else a lost header was taken for it. A compressed stream is checked only when
 * it is read to its end.
 */
async function readPadding(reader: ByteReader): Promise<void> {
  for (let bytes = await reader.some(tarBlockBytes); bytes !== undefined; bytes = await reader.some(tarBlockBytes)) {
    if (bytes.every((byte) => byte === 0)) continue;
    throw new RestoreError("Corrupt", "the backup's archive is damaged: it goes on after its end mark");
  }
}

/** The next entry with all that its records say; undefined at the archive's end mark. */
async function readEntry(reader: ByteReader): Promise<TarEntry | undefined> {
  let overrides: TarOverrides = {};
  for (;;) {
    const block = parseTarBlock(await readBytes(reader, tarBlockBytes));
    if (block.kind === "end") return undefined;
    if (block.kind === "entry") return finishEntry(block, overrides);
    if (block.size > metaBytesMax) throw new RestoreError("Corrupt", "the backup's archive holds an oversized header");
    const body = await readBytes(reader, block.size + paddingBytes(block.size));
    overrides = { ...overrides, ...parseOverrides(block.type, body.subarray(0, block.size)) };
  }
}

class MemberBody implements AsyncIterable<Buffer> {
  readonly #reader: ByteReader;
  readonly #entry: TarEntry;
  #left: number;

  constructor(reader: ByteReader, entry: TarEntry) {
    this.#reader = reader;
    this.#entry = entry;
    this.#left = entry.size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    while (this.#left > 0) {
      const bytes = await this.#reader.some(this.#left);
      if (bytes === undefined) throw truncated(this.#entry.path);
      this.#left -= bytes.length;
      yield bytes;
    }
  }

  async skipRest(): Promise<void> {
    const rest = this.#left + paddingBytes(this.#entry.size);
    this.#left = 0;
    if (!(await this.#reader.skip(rest))) throw truncated(this.#entry.path);
  }
}

async function readBytes(reader: ByteReader, count: number): Promise<Buffer> {
  const bytes = await reader.exactly(count);
  if (bytes === undefined) throw truncated("the end mark");
  return bytes;
}

const paddingBytes = (size: number): number => (tarBlockBytes - (size % tarBlockBytes)) % tarBlockBytes;

const truncated = (where: string): RestoreError =>
  new RestoreError("Corrupt", `the backup's archive ends before ${where === "" ? "its first member" : where}`);
