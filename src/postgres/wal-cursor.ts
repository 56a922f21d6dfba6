// Walks through the bytes of one WAL segment across its pages, leaving out the page headers. It knows pages and not
// records; wal-record.ts reads those with it. Nothing is copied unless asked for. Pure.
import { readPageHeader, viewOf, type SegmentHeader } from "./wal-page.ts";

/**
 * How a move went: "moved"; "end" when the written WAL or the segment ends before it; "overwritten" when the record at
 * hand was cut off by a crash and the cursor now stands at the record that took its place.
 */
export type Move = "moved" | "end" | "overwritten";

export class WalCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #header: SegmentHeader;
  #offset = 0;
  /** Bytes of the record at hand not yet passed: what the header of the next page must say too. */
  #recordLeft = 0;

  /** Stands before the first page. */
  constructor(segment: Uint8Array, header: SegmentHeader) {
    this.#bytes = segment.subarray(0, header.segmentBytes);
    this.#view = viewOf(this.#bytes);
    this.#header = header;
  }

  get lsn(): bigint {
    return this.#header.start + BigInt(this.#offset);
  }

  /** Bytes of the segment not yet passed, page headers included. */
  get bytesLeft(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  /** The unsigned 32-bit number at the cursor, which must not stand at a page's end. */
  peekUint32(): number {
    return this.bytesLeft < 4 ? 0 : this.#view.getUint32(this.#offset, true);
  }

  /** Enters the segment and passes what is left of a record that began in the segment before. */
  enterSegment(): Move {
    const page = readPageHeader(this.#view, 0);
    if (page === undefined) return "end";
    this.#offset = page.bytes;
    if (!page.continues) return "moved";
    this.beginRecord(page.remaining);
    return this.take(page.remaining);
  }

  /** Says how long the record is that begins at the cursor; to be called before its first bytes are taken. */
  beginRecord(length: number): void {
    this.#recordLeft = length;
  }

  /** Goes to where the next record begins: the next multiple of 8, past a page header if it stands at one. */
  alignToRecord(): Move {
    this.#offset = Math.ceil(this.#offset / 8) * 8;
    return this.#isAtPageStart() ? this.#enterPage() : "moved";
  }

  /** Passes `length` bytes of a record; copies them to `target` when it is given. */
  take(length: number, target?: Uint8Array): Move {
    let left = length;
    while (left > 0) {
      if (this.#isAtPageStart()) {
        const move = this.#enterPage();
        if (move !== "moved") return move;
      }
      const step = Math.min(left, this.#header.pageBytes - (this.#offset % this.#header.pageBytes));
      if (step > this.bytesLeft) return "end";
      target?.set(this.#bytes.subarray(this.#offset, this.#offset + step), length - left);
      this.#offset += step;
      left -= step;
      this.#recordLeft -= step;
    }
    return "moved";
  }

  #isAtPageStart(): boolean {
    return this.#offset % this.#header.pageBytes === 0;
  }

  #enterPage(): Move {
    const page = readPageHeader(this.#view, this.#offset);
    if (page === undefined || page.address !== this.lsn) return "end";
    if (page.overwritten) {
      this.#offset += page.bytes;
      return "overwritten";
    }
    if ((page.continues ? page.remaining : 0) !== this.#recordLeft) return "end";
    this.#offset += page.bytes;
    return "moved";
  }
}
