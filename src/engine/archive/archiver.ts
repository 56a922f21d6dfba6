// Stores WAL for PostgreSQL's archive_command, one archiver for each sidecar. A call is answered only when its file is
// durable in the archive; while PostgreSQL asks for one file after the other, the next ready ones are stored in parallel.
//
//   archive(N) ── stored ahead? ── yes ─► answer, top up
//                      │ no
//                 owner check ─► store N (or join its upload) ─► answer, top up
//
// Uploads start only inside a call or right after it, never by a timer: CNPG lets calls through only for a primary.
import { basename, join } from "node:path";
import { waitFor, within } from "#std/abort.ts";
import { retry } from "#std/backoff.ts";
import type { Logger } from "#observe/logger.ts";
import { parseWalFileName } from "#postgres/segment.ts";
import { withinCall } from "./call-time.ts";
import { ArchiveError, isTimeout, isTransient, outOfTime, toArchiveError } from "./errors.ts";
import { createPerArchive, describeArchive, type ArchiveLocation } from "./location.ts";
import { checkOwner, type ClusterIdentity, type Ownership } from "./owner-guard.ts";
import { readReadyFiles } from "./ready-queue.ts";
import { createBufferPool, createSlots } from "./slots.ts";
import { storeWal } from "./store-wal.ts";
import { createUploadBook, type UploadBook } from "./upload-book.ts";
import { fingerprintOf } from "./wal-file.ts";

/** PostgreSQL asks again after an error, and CNPG's condition shows it: better than a call that hangs. */
const defaultCallMsMax = 60_000;
/** The same once PostgreSQL stops, and when the call before has failed too: up to five more may follow. */
const stoppingMsMax = 4_000;
const stoppingAgainMsMax = 1_000;
/** What uploads may hold in memory together: PostgreSQL allows segments of up to 1 GiB. */
const uploadBytesMax = 512 * 1024 * 1024;
/** An upload outlives its call on a slow link, and the next call for the file joins it. */
const uploadMsMax = 300_000;

export interface ArchiverOptions {
  readonly pgdata: string;
  /** pg_wal, or what it links to. */
  readonly walDirectory: string;
  readonly logger: Logger;
  /** A call ends within this time, sooner when PostgreSQL stops: 60 s unless told. */
  readonly callMsMax?: number;
}

export interface ArchiveCall {
  /** Written into the archive as its owner when nobody is yet. */
  readonly cluster: ClusterIdentity;
  /** The cluster is new: refuse an archive that holds WAL of unknown origin. */
  readonly checkEmpty: boolean;
  /** The user's word that an archive with unknown content is meant. */
  readonly skipCheck: boolean;
  readonly signal: AbortSignal;
}

export interface ArchiverStatus {
  readonly lastArchived?: { readonly name: string; readonly at: Date };
  readonly lastFailure?: { readonly name: string; readonly at: Date; readonly error: ArchiveError };
  /** Calls that failed since start. */
  readonly failures: number;
  /** Files waiting to be archived when the directory was last read; absent before it was. */
  readonly ready?: number;
  /** Since start: files stored, their bytes, the bytes of the objects written for them. */
  readonly files: number;
  readonly bytes: number;
  readonly storedBytes: number;
}

export interface Archiver {
  /**
   * Archives the file at `path`, an absolute path in the WAL directory; resolves when it is durable. Throws ArchiveError.
   * Aborting `signal` ends the call and starts nothing new; what is being uploaded is finished and remembered.
   */
  archive(path: string, location: ArchiveLocation, call: ArchiveCall): Promise<void>;
  status(): ArchiverStatus;
  /** Refuses new calls and waits for running uploads; aborts them when `signal` aborts. */
  close(signal: AbortSignal): Promise<void>;
}

interface ArchiveState {
  readonly book: UploadBook;
  /** Set once the archive is known to be ours. */
  ownership: Ownership | undefined;
  reading: boolean;
}

export function createArchiver(options: ArchiverOptions): Archiver {
  const { pgdata, walDirectory, logger, callMsMax: callMs = defaultCallMsMax } = options;
  const stateOf = createPerArchive<ArchiveState>(() => ({
    book: createUploadBook(),
    ownership: undefined,
    reading: false,
  }));
  const slots = createSlots();
  const pool = createBufferPool();
  const preparing = createSlots();
  const running = new Set<Promise<void>>();
  const closing = new AbortController();
  const stopping = new AbortController();
  const totals = { failures: 0, files: 0, bytes: 0, storedBytes: 0 };
  let ready: number | undefined;
  let lastArchived: ArchiverStatus["lastArchived"];
  let lastFailure: ArchiverStatus["lastFailure"];

  /** Stores one file in a slot that the caller has taken; the outcome goes into the book. */
  function startUpload(path: string, location: ArchiveLocation, ownership: Ownership): Promise<void> {
    const { book } = stateOf(location);
    const name = basename(path);
    const store = async (): Promise<void> => {
      try {
        const lookForOthers = book.doubtsSuffix(location.compression);
        // What went to a store that was given up is nobody's answer any more, and must not hold the slots.
        const given = location.superseded === undefined ? [] : [location.superseded];
        const stored = await within(uploadMsMax, AbortSignal.any([stopping.signal, ...given]), (signal) =>
          storeWal(path, { ...ownership, location, lookForOthers, pool, preparing, signal }),
        );
        book.succeed(name, stored.fingerprint, stored.alreadyStored);
        totals.files++;
        totals.bytes += stored.bytes;
        totals.storedBytes += stored.storedBytes;
      } catch (error) {
        book.fail(name, error instanceof ArchiveError);
        throw error;
      } finally {
        slots.release();
      }
    };
    const upload = track(store());
    book.begin(name, upload);
    return upload;
  }

  /** Lets close() wait for the work; whoever started it handles its failure. */
  function track(work: Promise<void>): Promise<void> {
    running.add(work);
    work.catch(() => undefined).finally(() => running.delete(work));
    return work;
  }

  /** One try for the requested file: joins its upload if there is one, else stores it. */
  async function archiveOnce(path: string, location: ArchiveLocation, call: ArchiveCall): Promise<void> {
    const state = stateOf(location);
    const { book } = state;
    const name = basename(path);
    const isStored = async (): Promise<boolean> => book.isStored(name, await fingerprintOf(path));
    if (await isStored()) return;
    state.ownership ??= await checkOwner({ pgdata, location, ...call });
    if (book.healthy) topUp(name, location);
    const ahead = book.inFlight.get(name);
    if (ahead !== undefined) {
      // When the upload ahead failed, or was of an older state of the file, the file gets its own try below.
      const succeeded = await waitFor(
        ahead.then(
          () => true,
          () => false,
        ),
        call.signal,
      );
      if (succeeded && (await isStored())) return;
    }
    await slots.acquire(uploadsAtOnce(location, state.ownership), call.signal);
    await waitFor(startUpload(path, location, state.ownership), call.signal);
  }

  /** Starts uploads of the next ready files; their failures never fail a call. */
  function topUp(requested: string, location: ArchiveLocation): number {
    const { book, ownership } = stateOf(location);
    if (closing.signal.aborted || ownership === undefined) return 0;
    const limit = uploadsAtOnce(location, ownership);
    const { start, wanting } = book.plan(requested, slots.used, limit);
    for (const name of start) {
      if (!slots.tryAcquire(limit)) break;
      startUpload(join(walDirectory, name), location, ownership).catch((error: unknown) =>
        logger.debug({ err: error, segment: name, store: location.storeName }, "storing WAL ahead failed"),
      );
    }
    return wanting;
  }

  /** Tops up, and when the list of names runs dry reads the marks again and fills the slots that are left. */
  async function topUpAndRefill(requested: string, location: ArchiveLocation): Promise<void> {
    const state = stateOf(location);
    if (topUp(requested, location) === 0) return;
    await readMarks(state);
    topUp(requested, location);
  }

  /** What a call ends while the marks are read may be counted or not: then they are read once more. */
  async function readMarks(state: ArchiveState): Promise<void> {
    if (state.reading) return;
    state.reading = true;
    try {
      let answered: string | undefined;
      do {
        answered = lastArchived?.name;
        const { names, count } = await readReadyFiles(join(walDirectory, "archive_status"), closing.signal);
        // PostgreSQL renames the mark of the file that was answered last only a moment later.
        ready = count - (answered !== undefined && names.includes(answered) ? 1 : 0);
        state.book.ready = names;
      } while (answered !== lastArchived?.name);
    } catch (error) {
      if (!closing.signal.aborted) logger.warn({ err: error }, "reading archive_status failed");
    } finally {
      state.reading = false;
    }
  }

  /** Tries until the file is stored, a person is needed, or the call's time is over. */
  async function archiveWithin(path: string, location: ArchiveLocation, call: ArchiveCall): Promise<void> {
    let lastError: unknown;
    const tryUntilStored = (signal: AbortSignal): Promise<void> =>
      retry(() => archiveOnce(path, location, { ...call, signal }), {
        attempts: Infinity,
        firstMs: 200,
        maxMs: 5_000,
        signal,
        isTransient: (error) => !closing.signal.aborted && isTransient(error),
        onRetry: (error) => (lastError = error),
      });
    const times = {
      callMsMax: callMs,
      stoppingMsMax: stateOf(location).book.healthy ? stoppingMsMax : stoppingAgainMsMax,
    };
    try {
      await withinCall(pgdata, times, call.signal, tryUntilStored);
    } catch (error) {
      const doing = `archiving ${basename(path)} to ${describeArchive(location)}`;
      if (call.signal.aborted) throw new ArchiveError("Unavailable", `${doing} was cancelled`, { cause: error });
      if (!isTimeout(error)) throw toArchiveError(error, doing);
      throw outOfTime(`${doing} did not succeed ${error.message}`, lastError ?? error);
    }
  }

  async function archive(path: string, location: ArchiveLocation, call: ArchiveCall): Promise<void> {
    const name = basename(path);
    const { book } = stateOf(location);
    book.ask(name);
    try {
      await archiveWithin(path, location, call);
      book.healthy = true;
      book.acknowledge(name);
      if (ready !== undefined) ready = Math.max(0, ready - 1);
      lastArchived = { name, at: new Date() };
      void topUpAndRefill(name, location);
    } catch (error) {
      book.healthy = false;
      totals.failures++;
      if (error instanceof ArchiveError) lastFailure = { name, at: new Date(), error };
      void readMarks(stateOf(location));
      throw error;
    }
  }

  return {
    async archive(path, location, call) {
      if (parseWalFileName(basename(path)) === undefined) {
        throw new ArchiveError("InvalidName", `not the name of a wal file: ${JSON.stringify(basename(path))}`);
      }
      if (closing.signal.aborted) throw new ArchiveError("Unavailable", "the sidecar is shutting down");
      await track(archive(path, location, call));
    },
    status: () => ({
      ...totals,
      ...(ready === undefined ? {} : { ready }),
      ...(lastArchived === undefined ? {} : { lastArchived }),
      ...(lastFailure === undefined ? {} : { lastFailure }),
    }),
    async close(signal) {
      closing.abort();
      await waitFor(Promise.allSettled(running), signal).catch(() => stopping.abort());
      await Promise.allSettled(running);
    },
  };
}

const uploadsAtOnce = ({ maxParallel }: ArchiveLocation, { segmentBytes }: Ownership): number =>
  Math.max(1, Math.min(maxParallel, Math.floor(uploadBytesMax / segmentBytes)));
