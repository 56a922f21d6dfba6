// Packs members into tar archives, cut into chunks of one size. When the next member does not fit into the volume any
// more, the volume ends and the next one begins with that member, as barman-cloud's data_0001.tar does.
import { ChunkFiller } from "./chunk-filler.ts";
import { BackupError } from "./errors.ts";
import { encodeTarHeader, tarEndBytes, tarPaddingBytes, type TarHeader } from "./tar-header.ts";

export interface TarMember {
  /** The size stands here before the body is read: a body that turns out shorter is zero padded, a longer one is cut. */
  readonly header: TarHeader;
  /** Reads the next bytes of the body into `target`; resolves to their count, 0 at the end. */
  read(target: Buffer): Promise<number>;
  close(): Promise<void>;
}

export interface TarLimits {
  /** The size of every chunk but a volume's last. */
  readonly chunkBytes: number;
  /** A volume ends before the member that would make it longer than this. */
  readonly volumeBytes: number;
  /** A volume of a single member may grow to this; a larger file is an error. */
  readonly volumeBytesMax: number;
}

export class TarPacker {
  readonly #members: AsyncIterator<TarMember>;
  readonly #limits: TarLimits;
  #next: TarMember | undefined;

  /** The iterator is pulled only while a volume is read; its members are closed here. */
  constructor(members: AsyncIterator<TarMember>, limits: TarLimits) {
    this.#members = members;
    this.#limits = limits;
  }

  /** Whether there is anything (more) to pack. */
  async hasMore(): Promise<boolean> {
    this.#next ??= await this.#pull();
    return this.#next !== undefined;
  }

  /** The chunks of the next volume, to be read to the end before the next call. */
  async *volume(): AsyncGenerator<Buffer, void, undefined> {
    const filler = new ChunkFiller(this.#limits.chunkBytes);
    let volumeBytes = tarEndBytes;
    while (await this.hasMore()) {
      const member = this.#next;
      if (member === undefined) break;
      const header = encodeTarHeader(member.header);
      const bytes = header.length + member.header.size + tarPaddingBytes(member.header.size);
      if (volumeBytes > tarEndBytes && volumeBytes + bytes > this.#limits.volumeBytes) break;
      if (volumeBytes + bytes > this.#limits.volumeBytesMax) throw tooLarge(member.header, this.#limits);
      volumeBytes += bytes;
      this.#next = undefined;
      try {
        yield* filler.append(header);
        yield* packBody(member, filler);
      } finally {
        await member.close();
      }
    }
    yield* filler.appendZeros(tarEndBytes);
    const rest = filler.rest();
    if (rest !== undefined) yield rest;
  }

  /** Gives up what was pulled, but not packed, and the source. */
  async close(): Promise<void> {
    await this.#next?.close();
    this.#next = undefined;
    await this.#members.return?.();
  }

  async #pull(): Promise<TarMember | undefined> {
    const result = await this.#members.next();
    return result.done === true ? undefined : result.value;
  }
}

async function* packBody(member: TarMember, filler: ChunkFiller): AsyncGenerator<Buffer, void, undefined> {
  let left = member.header.size;
  while (left > 0) {
    const room = filler.room;
    const bytes = await member.read(room.length > left ? room.subarray(0, left) : room);
    if (bytes === 0) break;
    left -= bytes;
    const full = filler.advance(bytes);
    if (full !== undefined) yield full;
  }
  yield* filler.appendZeros(left + tarPaddingBytes(member.header.size));
}

const tooLarge = (header: TarHeader, limits: TarLimits): BackupError =>
  new BackupError("Unsupported", `${header.path} has ${header.size} bytes, more than one object can hold`, {
    hint: `An object is stored in at most 10000 parts of ${limits.volumeBytesMax / 10_000} bytes: raise --min-chunk-size.`,
  });
