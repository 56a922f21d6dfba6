// Data directories and WAL segments for the tests and benchmarks of the WAL path: just enough of PGDATA for an archiver,
// and segments that begin and compress as PostgreSQL's do.
import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "#postgres/crc32c.ts";
import { formatSegmentName, parseSegmentName, segmentPosition, type SegmentName } from "#postgres/segment.ts";

export interface Pgdata {
  readonly path: string;
  readonly walDirectory: string;
  readonly segmentBytes: number;
  readonly systemId: string;
  /** Writes a WAL file and marks it ready, unless told not to; returns its path. */
  add(name: string, options?: { content?: Uint8Array; ready?: boolean }): Promise<string>;
  /** What PostgreSQL does once archive_command has succeeded. */
  done(name: string): Promise<void>;
}

/** Makes a data directory as PostgreSQL 15 would leave it, without anything that an archiver does not read. */
export async function createPgdata(
  path: string,
  options: { systemId?: string; segmentBytes?: number } = {},
): Promise<Pgdata> {
  const { systemId = "7300000000000000001", segmentBytes = 1024 * 1024 } = options;
  const walDirectory = join(path, "pg_wal");
  const status = (name: string): string => join(walDirectory, "archive_status", `${name}.ready`);
  await mkdir(join(walDirectory, "archive_status"), { recursive: true });
  await mkdir(join(path, "global"));
  await writeFile(join(path, "global", "pg_control"), controlFile(systemId, segmentBytes));
  return {
    path,
    walDirectory,
    segmentBytes,
    systemId,
    async add(name, { content, ready = true } = {}) {
      const file = join(walDirectory, name);
      await writeFile(file, content ?? walContent(name, { systemId, segmentBytes }));
      if (ready) await writeFile(status(name), "");
      return file;
    },
    done: (name) => rm(status(name), { force: true }),
  };
}

/** Offsets of ControlFileData in PostgreSQL 15 (src/include/catalog/pg_control.h). */
function controlFile(systemId: string, segmentBytes: number): Buffer {
  const content = Buffer.alloc(8192);
  content.writeBigUInt64LE(BigInt(systemId), 0);
  content.writeUInt32LE(1300, 8);
  content.writeUInt32LE(202209061, 12);
  content.writeUInt32LE(6, 16);
  content.writeUInt32LE(1, 48);
  content.writeUInt32LE(8192, 216);
  content.writeUInt32LE(segmentBytes, 228);
  content.writeUInt32LE(crc32c(content.subarray(0, 288)), 288);
  return content;
}

/** The content that `createPgdata` gives a WAL file by default: the same for the same name and system. */
export function walContent(
  name: string,
  { systemId, segmentBytes }: { systemId: string; segmentBytes: number },
): Buffer {
  if (name.endsWith(".history")) return Buffer.from("1\t0/3000000\tno recovery target specified\n");
  const content = Buffer.alloc(name.endsWith(".backup") ? 300 : segmentBytes);
  let random = createHash("sha256").update(`${name} ${systemId}`).digest();
  // Five sixths zeroes, a sixth noise: about what pgbench's WAL comes down to.
  for (let offset = 0; offset + 32 <= content.length; offset += 192) {
    random.copy(content, offset);
    random.writeUInt32LE((random.readUInt32LE(0) + offset) % 2 ** 32, 0);
    if (offset % 8192 < 192) random = createHash("sha256").update(random).digest();
  }
  if (name.endsWith(".backup")) return content;
  writePageHeader(content, systemId, segmentBytes);
  return content;
}

/** XLogLongPageHeaderData (src/include/access/xlog_internal.h). */
function writePageHeader(content: Buffer, systemId: string, segmentBytes: number): void {
  content.fill(0, 0, 40);
  content.writeUInt16LE(0xd110, 0);
  content.writeUInt16LE(0x0002, 2);
  content.writeBigUInt64LE(BigInt(systemId), 24);
  content.writeUInt32LE(segmentBytes, 32);
  content.writeUInt32LE(8192, 36);
}

/** `count` names from `first` on, on one timeline. */
export function segmentNames(first: string, count: number, segmentBytes: number): SegmentName[] {
  const name = parseSegmentName(first);
  if (name === undefined) throw new Error(`not a segment name: ${first}`);
  const { timeline, segment } = segmentPosition(name, segmentBytes);
  return Array.from({ length: count }, (_, index) =>
    formatSegmentName({ timeline, segment: segment + BigInt(index) }, segmentBytes),
  );
}

/**
 * A segment as pgbench makes them: full-page images of the accounts table and, between them, the short records of single
 * transactions. Compared with WAL of a real pgbench run, it compresses as well (about 9 : 1) and takes as long to.
 */
export function pgbenchContent(
  name: string,
  { systemId, segmentBytes }: { systemId: string; segmentBytes: number },
): Buffer {
  const content = Buffer.alloc(segmentBytes);
  const random = createRandom(createHash("sha256").update(name).digest().readUInt32LE(0));
  let offset = 0;
  while (offset + 8400 < segmentBytes) {
    offset = random() % 10 < 7 ? writePageImage(content, offset, random) : writeTransactions(content, offset, random);
  }
  writePageHeader(content, systemId, segmentBytes);
  return content;
}

type Random = () => number;

/** Xorshift: fast, and the same numbers for the same seed. */
function createRandom(seed: number): Random {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Some 55 rows of 128 bytes: tuple header, account, branch, balance, and 84 blanks. */
function writePageImage(content: Buffer, start: number, random: Random): number {
  const rows = 50 + (random() % 11);
  const firstAccount = random() % 2_000_000;
  writeRecordHeader(content, start, random);
  let offset = start + 48 + 4 * rows;
  for (let row = 0; row < rows; row++) {
    content.writeUInt32LE((8192 - 128 * (row + 1)) | 0x1_0000, start + 48 + 4 * row);
    content.writeUInt32LE(random() % 4 === 0 ? random() % 100_000 : 700, offset);
    content.writeUInt32LE(random() % 4 === 0 ? random() % 1_000 : 0, offset + 4);
    content.writeUInt32LE(0x4_0000 + row, offset + 12);
    content.writeUInt32LE(0x0902_0004, offset + 18);
    content.writeUInt32LE(firstAccount + row, offset + 24);
    content.writeUInt32LE(1 + Math.floor(firstAccount / 100_000), offset + 28);
    content.writeInt32LE(random() % 4 === 0 ? (random() % 10_000) - 5_000 : 0, offset + 32);
    content.fill(0x20, offset + 40, offset + 128);
    offset += 128;
  }
  return offset;
}

/** Forty records of 80 bytes that touch four tables in turn. */
function writeTransactions(content: Buffer, start: number, random: Random): number {
  for (let record = 0; record < 40; record++) {
    const offset = start + 80 * record;
    writeRecordHeader(content, offset, random);
    content.writeUInt32LE(16394 + (record % 4) * 3, offset + 36);
    content.writeUInt32LE(random(), offset + 48);
    content.writeUInt32LE(random() % 2_000_000, offset + 56);
  }
  return start + 40 * 80;
}

/** Length, transaction, previous record, kind, checksum, then the block that the record is about. */
function writeRecordHeader(content: Buffer, offset: number, random: Random): void {
  content.writeUInt32LE(80, offset);
  content.writeUInt32LE(500_000 + (random() % 1_000), offset + 4);
  content.writeUInt32LE(offset, offset + 8);
  content.writeUInt32LE(0x0a20, offset + 16);
  content.writeUInt32LE(random(), offset + 20);
  content.writeUInt32LE(1663, offset + 28);
  content.writeUInt32LE(random() % 200_000, offset + 40);
}
