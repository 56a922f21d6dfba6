// Up to which moment an archive reaches: the newest commit in its last segments, read out of their bytes, whatever layout
// they are kept in. One segment is held in memory at a time.
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { byExtension } from "#codec/compression.ts";
import { isCodecError } from "#codec/errors.ts";
import { PostgresFileError } from "#postgres/errors.ts";
import { segmentLsnRange, segmentNameFits } from "#postgres/segment.ts";
import { parseSegmentHeader } from "#postgres/wal-page.ts";
import { newestCommit } from "#postgres/wal-record.ts";
import { RepositoryError } from "./errors.ts";
import type { ArchivedWal, CallOptions, NewestWal, NewestWalOptions } from "./repository.ts";

/** As it is stored; the extension, with its dot, names its compression. */
export interface StoredSegment extends ArchivedWal {
  readonly extension: string;
}

/** Hands the stored bytes of a segment to `consume`, and settles as that does. */
export type ReadStored<S extends StoredSegment> = <T>(
  segment: S,
  consume: (body: Readable) => Promise<T>,
  options: CallOptions,
) => Promise<T>;

/** A bulk load fills segments without a commit; how many are looked through before the question stays open. */
export const segmentsReadMax = 4;
/** Larger segments are not read: the process that asks has not the memory. */
const segmentBytesMax = 64 * 1024 * 1024;
const headerBytes = 40;

/**
 * The end of an archive whose newest segments, newest first, are these; undefined without any. `known` is an earlier
 * answer: segments up to it are not read again. Throws what `read` throws of the store; a segment that cannot be read
 * leaves the time open and says why.
 */
export async function endOfArchive<S extends StoredSegment>(
  newestFirst: readonly S[],
  read: ReadStored<S>,
  { known, nameOnly = false, signal }: NewestWalOptions,
): Promise<NewestWal | undefined> {
  const [newest] = newestFirst;
  if (newest === undefined) return undefined;
  const { name, key, bytes, storedAt } = newest;
  const end = { name, key, bytes, storedAt };
  if (nameOnly) return end;
  let unknown: CommitTime = {};
  for (const segment of newestFirst) {
    if (known !== undefined && isSame(segment, known)) return { ...end, ...timeOf(known), ...unknown };
    const found = await readCommitTime(segment, read, signal);
    if (found.commitTime !== undefined) return { ...end, ...unknown, ...found };
    // The newest that cannot be read is the one to tell of.
    unknown = { ...found, ...unknown };
  }
  // No commit in the last few segments. An older one is still the newest that is known of.
  const isSameTimeline = known?.name.slice(0, 8) === newest.name.slice(0, 8);
  const older = known !== undefined && isSameTimeline && known.name < newest.name ? timeOf(known) : {};
  return { ...end, ...older, ...unknown };
}

/** An archive that was emptied and begun anew has the same names. */
const isSame = (segment: ArchivedWal, known: NewestWal): boolean =>
  segment.key === known.key && segment.bytes === known.bytes && segment.storedAt.getTime() === known.storedAt.getTime();

type CommitTime = Pick<NewestWal, "commitTime" | "commitTimeUnknown">;

const timeOf = ({ commitTime, commitTimeUnknown }: NewestWal): CommitTime => ({
  ...(commitTime === undefined ? {} : { commitTime }),
  ...(commitTimeUnknown === undefined ? {} : { commitTimeUnknown }),
});

/** Empty: no transaction ends in this segment. */
async function readCommitTime<S extends StoredSegment>(
  segment: S,
  read: ReadStored<S>,
  signal: AbortSignal,
): Promise<CommitTime> {
  try {
    const decompress = byExtension(segment.extension).decompressStream();
    const content = await read(segment, (body) => collectSegment(body, decompress, signal), { signal });
    if (!segmentNameFits(segment.name, content.byteLength)) {
      throw new PostgresFileError("Damaged", `its size of ${content.byteLength} bytes does not fit its name`);
    }
    const { start } = segmentLsnRange(segment.name, content.byteLength);
    const commit = newestCommit(content, { start });
    return commit === undefined ? {} : { commitTime: commit.time };
  } catch (error) {
    const isContent = error instanceof PostgresFileError || error instanceof RepositoryError || isCodecError(error);
    if (!isContent) throw error;
    return { commitTimeUnknown: `${segment.key} cannot be read: ${error.message}` };
  }
}

/** The uncompressed segment, exactly as long as its header says. */
async function collectSegment(
  body: Readable,
  decompress: NodeJS.ReadWriteStream,
  signal: AbortSignal,
): Promise<Uint8Array> {
  let content = new Uint8Array(0);
  let head = new Uint8Array(0);
  let filled = 0;
  await pipeline(
    body,
    decompress,
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        let rest: Uint8Array = chunk;
        if (content.byteLength === 0) {
          head = joined(head, chunk);
          if (head.byteLength < headerBytes) continue;
          content = allocate(head);
          rest = head;
        }
        if (filled + rest.byteLength > content.byteLength) throw tooLong(content.byteLength);
        content.set(rest, filled);
        filled += rest.byteLength;
      }
    },
    { signal },
  );
  if (content.byteLength === 0 || filled < content.byteLength) {
    throw new PostgresFileError("Damaged", `it ends after ${Math.max(filled, head.byteLength)} bytes`);
  }
  return content;
}

function allocate(head: Uint8Array): Uint8Array<ArrayBuffer> {
  const { segmentBytes } = parseSegmentHeader(head);
  if (segmentBytes <= segmentBytesMax) return new Uint8Array(segmentBytes);
  throw new RepositoryError("TooLarge", `segments of ${segmentBytes} bytes are not read for their time`);
}

const tooLong = (bytes: number): PostgresFileError =>
  new PostgresFileError("Damaged", `it is longer than the ${bytes} bytes of its header`);

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.concat([a, b]));
