// pgBackRest's own worker of asynchronous archiving, as a child that is watched: it pushes all files that PostgreSQL has
// marked ready, with process-max processes, and tells of each in the spool. pgBackRest's foreground part, which would start
// it out of sight of everybody, is not used. One runs at a time, as pgBackRest's lock of the stanza wants it.
import { watch, type FSWatcher } from "node:fs";
import { waitFor } from "#std/abort.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import type { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { PushPermit } from "./push-permit.ts";
import type { PushSpool } from "./push-spool.ts";

export interface PushWorkerOptions {
  readonly pgbackrest: Pgbackrest;
  readonly spool: PushSpool;
  /** pg_wal. */
  readonly walDirectory: string;
  /** As if the Stanza had these repositories only. */
  readonly only?: readonly number[];
  /** Ends it: what it was pushing is pushed again. */
  readonly signal: AbortSignal;
  readonly permit: PushPermit;
  /** Seconds without a byte after which one try of a request ends; that of the Stanza when absent. */
  readonly pushOptions: readonly string[];
}

/** A worker under way, or one that has ended. */
export interface PushRun {
  /** Never rejects: whether what the spool says from then on is this one's word, and no error of an earlier one. */
  readonly begun: Promise<boolean>;
  /** Never rejects: how it ended, when not well. */
  readonly end: Promise<Error | undefined>;
}

export interface PushWorker {
  /** Undefined while none runs. */
  readonly current: PushRun | undefined;
  start(): PushRun;
  /** What it said of one file, as soon as it did; undefined when it ended without a word of it. */
  outcome(
    run: PushRun,
    walPath: string,
    name: string,
    signal: AbortSignal,
  ): Promise<true | PgbackrestError | undefined>;
}

/** A worker goes through a backlog of any length; one that does not come to its end is started anew. */
const workerMsMax = 60 * 60_000;
/** Between two looks, should the system not tell of new files. */
const lookEveryMs = 1_000;

export function createPushWorker(options: PushWorkerOptions): PushWorker {
  const { pgbackrest, spool, walDirectory, only, signal, pushOptions, permit } = options;
  let current: PushRun | undefined;

  async function run(onBegun: (isBegun: boolean) => void): Promise<Error | undefined> {
    try {
      await spool.forgetErrors();
      onBegun(true);
      await permit.during(signal, (permitted) =>
        pgbackrest.run("archive-push:async", {
          options: [
            "--archive-async",
            `--spool-path=${spool.path}`,
            "--log-level-console=off",
            "--log-level-stderr=error",
            ...pushOptions,
          ],
          parameters: [walDirectory],
          ...(only !== undefined && { only }),
          deadlineMs: workerMsMax,
          signal: permitted,
        }),
      );
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      onBegun(false);
    }
  }

  return {
    get current() {
      return current;
    },
    start() {
      const { promise: begun, resolve } = Promise.withResolvers<boolean>();
      const started: PushRun = {
        begun,
        end: run(resolve).finally(() => {
          if (current === started) current = undefined;
        }),
      };
      current = started;
      return started;
    },
    async outcome({ begun, end }, walPath, name, waiting) {
      if (!(await waitFor(begun, waiting))) return undefined;
      let ended = false;
      void end.then(() => (ended = true));
      using news = watchFolder(spool.out);
      for (;;) {
        const isLast = ended;
        const said = await spool.outcomeOf(walPath, name);
        if (said !== undefined || isLast) return said;
        await waitFor(Promise.race([news.next(), end]), waiting);
      }
    },
  };
}

/** Tells that something has changed in a folder since the last time it was asked, and at least every second. */
function watchFolder(folder: string): Disposable & { next(): Promise<void> } {
  let news = Promise.withResolvers<void>();
  const tell = (): void => news.resolve();
  const watcher = watchIfPossible(folder, tell);
  const timer = setInterval(tell, lookEveryMs).unref();
  return {
    async next() {
      await news.promise;
      news = Promise.withResolvers<void>();
    },
    [Symbol.dispose]() {
      watcher?.close();
      clearInterval(timer);
    },
  };
}

/** A machine has only so many watches; without one, looking every second has to do. */
function watchIfPossible(folder: string, tell: () => void): FSWatcher | undefined {
  try {
    return watch(folder, { persistent: false }, tell).on("error", () => undefined);
  } catch {
    return undefined;
  }
}
