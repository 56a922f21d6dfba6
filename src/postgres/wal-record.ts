// Finds out of a WAL segment's bytes up to which moment replaying it would come: the newest end of a transaction. That
// is what recovery_target_time is compared with (PostgreSQL: src/include/access/{xlogrecord,xact,rmgrlist}.h,
// recoveryStopsBefore in xlogrecovery.c). Restore points carry a time too, but never stop recovery by time. Pure.
import { crc32c } from "./crc32c.ts";
import { PostgresFileError } from "./errors.ts";
import { formatLsn } from "./lsn.ts";
import { fromPostgresTimestamp } from "./timestamp.ts";
import { WalCursor } from "./wal-cursor.ts";
import { parseSegmentHeader, viewOf } from "./wal-page.ts";

/** `time` in microseconds since 1970; `lsn` where the record begins. */
export interface TransactionEnd {
  readonly time: bigint;
  readonly lsn: bigint;
}

const recordHeaderBytes = 24;
const crcOffset = 20;
/** XLogRecordMaxSize */
const recordBytesMax = 1020 * 1024 * 1024;
const transactionManager = 1;
/** Commit, abort, and the same of a prepared transaction. Preparing ends nothing. */
const endOperations: ReadonlySet<number> = new Set([0x00, 0x20, 0x30, 0x40]);
const operationMask = 0x70;

/**
 * The newest commit or abort that is whole in this segment. Times need not rise with the LSN, so all records are
 * looked at. A record that begins in the segment before, or ends in the one after, does not count; reading stops where
 * the written WAL stops (zeros, or what a recycled file held before). Undefined: no transaction ended in it.
 *
 * `start` is the LSN that the segment's name stands for. Throws PostgresFileError when the bytes are no segment of a
 * supported version, or another one than its name says.
 */
export function newestCommit(segment: Uint8Array, options: { readonly start: bigint }): TransactionEnd | undefined {
  const header = parseSegmentHeader(segment);
  if (header.start !== options.start) {
    const [found, wanted] = [formatLsn(header.start), formatLsn(options.start)];
    throw new PostgresFileError("Damaged", `wal segment begins at ${found}, by its name at ${wanted}`);
  }
  const cursor = new WalCursor(segment, header);
  let newest: TransactionEnd | undefined;
  for (let move = cursor.enterSegment(); move !== "end";) {
    if (move === "moved" && cursor.alignToRecord() === "end") break;
    const lsn = cursor.lsn;
    const record = readRecord(cursor);
    move = record.move;
    if (record.time !== undefined && (newest === undefined || record.time >= newest.time)) {
      newest = { time: record.time, lsn };
    }
  }
  return newest;
}

interface RecordRead {
  readonly move: ReturnType<WalCursor["take"]>;
  readonly time?: bigint;
}

/** Passes the record at the cursor. A length is never split between pages, the rest of a record's header may be. */
function readRecord(cursor: WalCursor): RecordRead {
  const length = cursor.peekUint32();
  if (length < recordHeaderBytes || length > recordBytesMax) return { move: "end" };
  cursor.beginRecord(length);
  const head = new Uint8Array(recordHeaderBytes);
  const move = cursor.take(recordHeaderBytes, head);
  if (move !== "moved") return { move };
  const bodyBytes = length - recordHeaderBytes;
  if (!endsTransaction(head)) return { move: cursor.take(bodyBytes) };
  if (bodyBytes > cursor.bytesLeft) return { move: "end" };
  const body = new Uint8Array(bodyBytes);
  const bodyMove = cursor.take(bodyBytes, body);
  if (bodyMove !== "moved") return { move: bodyMove };
  const crc = viewOf(head).getUint32(crcOffset, true);
  if (crc32c(body, head.subarray(0, crcOffset)) !== crc) return { move: "end" };
  const time = transactionTime(body);
  return time === undefined ? { move: "moved" } : { move: "moved", time };
}

const endsTransaction = (head: Uint8Array): boolean =>
  head[17] === transactionManager && endOperations.has((head[16] ?? 0) & operationMask);

/**
 * The time is the first field of the main data, which is the last part of a record; the headers before it say how long
 * it is. Such records refer to no blocks.
 */
function transactionTime(body: Uint8Array): bigint | undefined {
  const view = viewOf(body);
  for (let at = 0; at + 1 < body.byteLength;) {
    const id = body[at];
    if (id === 253) at += 3; // replication origin
    else if (id === 252) at += 5; // xid of the top-level transaction
    else {
      const mainBytes = id === 255 ? view.getUint8(at + 1) : id === 254 ? view.getUint32(at + 1, true) : 0;
      const isHeld = mainBytes >= 8 && mainBytes < body.byteLength;
      return isHeld ? fromPostgresTimestamp(view.getBigInt64(body.byteLength - mainBytes, true)) : undefined;
    }
  }
  return undefined;
}
