// Downloads the segments after the one just served into a spool directory, so that recovery does not wait for the
// network. The spool is a cache of one process: emptied at start, never in PGDATA, and what is not in it means nothing.
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "#observe/logger.ts";
import type { SegmentName } from "#postgres/segment.ts";
import { moveFile } from "./place-file.ts";
import { nextDepth, planPrefetch } from "./plan.ts";
import { createPerWalArchive, type WalArchive, type WalRequest } from "./wal-archive.ts";
import { waitFor } from "#std/abort.ts";

/** The spool lies on a scratch volume that other things share. */
const spoolBytesMax = 256 * 1024 * 1024;
/** Segments that nobody asks for, because a standby went over to streaming, leave after this time. */
const idleMsMax = 5 * 60_000;

export interface PrefetchRequest extends WalRequest {
  readonly archive: WalArchive;
}

export interface Prefetcher {
  /**
   * Moves a segment from the spool to `path`, waiting for its download if `wait`; false when the spool does not have it.
   * Rejects with the signal's reason.
   */
  take(request: PrefetchRequest, path: string, options: { wait: boolean; signal: AbortSignal }): Promise<boolean>;
  /** A segment was served: keeps the following ones coming, forgets all others. */
  served(request: PrefetchRequest, name: SegmentName): void;
  /** Gets one segment into the spool in the background. */
  hold(request: PrefetchRequest): void;
  close(): Promise<void>;
}

interface Held {
  readonly path: string;
  /** Whether the whole segment is in the spool; never rejects. */
  readonly download: Promise<boolean>;
  readonly abort: AbortController;
}

interface PrefetchState {
  /** Marks the files of this archive in the spool. */
  readonly generation: number;
  readonly held: Map<string, Held>;
  depth: number;
  /** Whether the last request was answered from the spool. */
  hit: boolean;
}

export function createPrefetcher(options: { spoolDirectory: string; logger: Logger }): Prefetcher {
  const { spoolDirectory, logger } = options;
  const closing = new AbortController();
  const running = new Set<Promise<boolean>>();
  let generations = 0;
  let serial = 0;
  const newState = (): PrefetchState => ({ generation: ++generations, held: new Map(), depth: 1, hit: false });
  const stateOf = createPerWalArchive(newState);
  const emptied = emptyDirectory(spoolDirectory);
  emptied.catch((error: unknown) => logger.warn({ err: error }, "WAL is not fetched ahead: no spool directory"));
  /** The archive that was asked last; only this one's files are kept. */
  let active: PrefetchState | undefined;
  const idle = setTimeout(() => active === undefined || dropAll(active), idleMsMax).unref();

  function drop(state: PrefetchState, name: string): void {
    const held = state.held.get(name);
    if (held === undefined) return;
    state.held.delete(name);
    held.abort.abort(new DOMException("not needed any more", "AbortError"));
    void held.download.then((whole) => (whole ? rm(held.path, { force: true }) : undefined)).catch(() => undefined);
  }

  const dropAll = (state: PrefetchState): void => [...state.held.keys()].forEach((name) => drop(state, name));

  function activate(archive: WalArchive): PrefetchState {
    idle.refresh();
    const state = stateOf(archive);
    if (active !== state && active !== undefined) dropAll(active);
    active = state;
    return state;
  }

  function start(state: PrefetchState, request: PrefetchRequest): void {
    if (closing.signal.aborted) return;
    const abort = new AbortController();
    const signal = AbortSignal.any([closing.signal, abort.signal]);
    const path = join(spoolDirectory, `${state.generation}-${++serial}-${request.name}`);
    const download = fill(request, path, signal).then((whole) => {
      if (!whole && state.held.get(request.name)?.abort === abort) endOfArchive(state, request.name);
      return whole;
    });
    state.held.set(request.name, { path, download, abort });
    running.add(download);
    void download.finally(() => running.delete(download));
  }

  /** A segment is missing or cannot be had: nothing after it is worth fetching before PostgreSQL has got it. */
  function endOfArchive(state: PrefetchState, missing: string): void {
    state.depth = nextDepth(state.depth, "end", 1);
    for (const name of state.held.keys()) if (name >= missing) drop(state, name);
  }

  async function fill(request: PrefetchRequest, path: string, signal: AbortSignal): Promise<boolean> {
    const temporaryPath = `${path}.tmp`;
    try {
      await emptied;
      if (!(await request.archive.downloadAhead(request, temporaryPath, signal))) return false;
      await rename(temporaryPath, path);
      return true;
    } catch (error) {
      if (!signal.aborted) logger.debug({ err: error, segment: request.name }, "fetching WAL ahead failed");
      await rm(temporaryPath, { force: true }).catch(() => undefined);
      return false;
    }
  }

  return {
    async take({ archive, name }, path, { wait, signal }) {
      const state = stateOf(archive);
      const held = state.held.get(name);
      state.hit = false;
      if (held === undefined) return false;
      const whole = await waitFor(wait ? held.download : settledSoFar(held.download), signal);
      if (!whole || state.held.get(name) !== held) return false;
      state.held.delete(name);
      await moveFile(held.path, path);
      state.hit = true;
      return true;
    },
    served(request, name) {
      const state = activate(request.archive);
      state.depth = nextDepth(state.depth, state.hit ? "hit" : "miss", request.archive.maxParallel);
      const { segmentBytes, archive } = request;
      const held = [...state.held.keys()];
      const bytesMax = Math.min(spoolBytesMax, archive.aheadBytesMax ?? Infinity);
      const plan = planPrefetch({ served: name, held, segmentBytes, depth: state.depth, spoolBytesMax: bytesMax });
      for (const old of plan.drop) drop(state, old);
      for (const next of plan.start) start(state, { ...request, name: next });
    },
    hold(request) {
      const state = activate(request.archive);
      if (!state.held.has(request.name)) start(state, request);
    },
    async close() {
      clearTimeout(idle);
      closing.abort(new DOMException("the sidecar is shutting down", "AbortError"));
      await Promise.allSettled(running);
      await emptyDirectory(spoolDirectory).catch(() => undefined);
    },
  };
}

/** The promise's value if it has one already, else false. */
const settledSoFar = (promise: Promise<boolean>): Promise<boolean> => Promise.race([promise, Promise.resolve(false)]);

async function emptyDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = await readdir(directory);
  await Promise.all(names.map((name) => rm(join(directory, name), { recursive: true, force: true })));
}
