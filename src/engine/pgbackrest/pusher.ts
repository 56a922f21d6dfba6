// Pushes WAL of this instance to the repositories of one stanza, and remembers which of them failed. While all of them work,
// files are pushed by pgBackRest's worker where the Stanza asks for it, else one by one. While some fail, whatever is ready
// goes into the others in the background, and the file that PostgreSQL asks for is tried on all.
import { join } from "node:path";
import type { Logger } from "#observe/logger.ts";
import { isPgbackrestError, PgbackrestError, type PgbackrestErrorKind } from "#repository/pgbackrest/errors.ts";
import { locationOfRepository } from "#repository/pgbackrest/config.ts";
import { ioTimeoutOption } from "#repository/pgbackrest/io-timeout.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { waitFor } from "#std/abort.ts";
import type { ReadyFiles } from "../archive/ready-queue.ts";
import { createPushPermit } from "./push-permit.ts";
import { openPushSpool } from "./push-spool.ts";
import { createPushWorker, type PushWorker } from "./push-worker.ts";

export interface PusherOptions {
  readonly pgbackrest: Pgbackrest;
  readonly pgdata: string;
  readonly walDirectory: string;
  /** A folder of this database system's own. */
  readonly spoolDirectory: string;
  readonly logger: Logger;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
}

export interface Pusher {
  /** Whether the worker has stored it already: costs no process. */
  isStored(path: string, name: string): Promise<boolean>;
  /** Resolves when the file is in every repository. Throws PgbackrestError; the work goes on when `signal` aborts. */
  push(path: string, name: string, ready: ReadyFiles, signal: AbortSignal): Promise<void>;
  /** Pushes it to the repositories that work; those that do not have it afterwards. */
  pushWherePossible(path: string, name: string, signal: AbortSignal): Promise<readonly number[]>;
  /** Repositories that failed lately, and with what. */
  readonly failing: ReadonlyMap<number, string>;
  /** Marks repositories as failing for another reason. */
  setFailing(key: number, message: string): void;
  /** Why the worker cannot be used, if that is so. */
  readonly spoolProblem: string | undefined;
  /** Makes the spool empty: what an earlier process left in it may mean less than it says. */
  begin(): Promise<void>;
  /** Waits for all that is under way. */
  idle(): Promise<void>;
}

/** A push outlives its call where a repository is slow, and the next call for the file joins it. */
const pushMsMax = 300_000;
/** How long the worker is done without when its spool has failed. */
const spoolPauseMs = 60_000;
const spoolMend =
  "WAL is archived one file at a time until it can be: when its volume is full, enlarge that, which is archive.spool of the Stanza";
/** When a push takes longer, it is looked for the repository that is to blame. */
const patienceMs = 15_000;
/** Of the pushes that decide whether a file is given up somewhere. */
const hurriedMsMax = 20_000;
/** A repository that hangs keeps each push that looks whether it is back for most of a minute. */
const asideMax = 4;
const asideEveryMs = 5_000;
/** Nothing is wrong with the repositories: the sidecar stops, or somebody has to see which archive this is. */
const neverGivenUpFor: ReadonlySet<PgbackrestErrorKind> = new Set(["Cancelled", "Duplicate", "Identity"]);

export function createPusher(options: PusherOptions): Pusher {
  const { pgbackrest, pgdata, walDirectory, spoolDirectory, logger, signal } = options;
  const { config } = pgbackrest;
  const keys = config.repositories.map(({ key }) => key);
  const spool = openPushSpool(spoolDirectory, config.stanza);
  const pushOptions = optionsOf(pgbackrest);
  const permit = createPushPermit({ pgdata });
  const shared = { pgbackrest, walDirectory, pushOptions, signal, permit };
  const worker = createPushWorker({ ...shared, spool });
  const failing = new Map<number, string>();
  const pushing = new Map<string, Promise<void>>();
  const running = new Set<Promise<unknown>>();
  let rest: { readonly only: string; readonly spoolPath: string; readonly worker: PushWorker } | undefined;
  let askedAside = -Infinity;
  let spoolProblem: string | undefined;
  /** Until when the worker is done without. */
  let spoolUntil = 0;
  /** Nothing that another one left is in it: only then its files tell of these repositories. */
  let isSpoolOurs = false;

  function track<T>(work: Promise<T>): Promise<T> {
    running.add(work);
    work.catch(() => undefined).finally(() => running.delete(work));
    return work;
  }

  const healthy = (): readonly number[] => keys.filter((key) => !failing.has(key));

  /** What an error tells of the repositories that were asked. */
  function learn(error: unknown, asked: readonly number[]): void {
    if (!(error instanceof PgbackrestError) || error.kind === "Cancelled") return;
    // A file that is wrong says nothing of the repository that refuses it.
    if (error.kind === "Duplicate" || error.kind === "Identity") return;
    const named = error.repositories.length === 0 && asked.length === 1 ? asked : error.repositories;
    for (const key of named) failing.set(key, error.message);
  }

  async function pushNow(path: string, deadlineMs: number, only?: readonly number[]): Promise<void> {
    try {
      await pgbackrest.run("archive-push", {
        options: ["--no-archive-async", "--log-level-console=off", "--log-level-stderr=error", ...pushOptions],
        parameters: [path],
        ...(only !== undefined && { only }),
        deadlineMs,
        signal,
      });
      if (only === undefined && failing.size > 0) recovered();
    } catch (error) {
      learn(error, only ?? keys);
      throw error;
    }
  }

  function recovered(): void {
    logger.info({ stanza: config.stanza, repositories: [...failing.keys()] }, "all repositories take WAL again");
    failing.clear();
  }

  /** To all repositories; whoever asks for the same file meanwhile waits for the same. */
  function pushOne(path: string, name: string): Promise<void> {
    const known = pushing.get(name);
    if (known !== undefined) return known;
    const push = track(pushNow(path, pushMsMax)).finally(() => pushing.delete(name));
    pushing.set(name, push);
    push.catch(() => undefined);
    return push;
  }

  async function canSpool(): Promise<boolean> {
    if (performance.now() < spoolUntil) return false;
    try {
      await emptySpool();
      await spool.open();
      return true;
    } catch (error) {
      noteSpool(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  async function emptySpool(): Promise<void> {
    if (isSpoolOurs) return;
    await spool.clear();
    isSpoolOurs = true;
  }

  function noteSpool(message: string): void {
    const problem = `the spool ${spool.out} cannot be used: ${message}; ${spoolMend}`;
    if (spoolProblem === undefined) logger.warn({ problem }, "WAL is archived one file at a time");
    spoolProblem = problem;
    spoolUntil = performance.now() + spoolPauseMs;
  }

  function spoolWorks(): void {
    if (spoolProblem !== undefined) logger.info({ spool: spool.out }, "the spool can be used again");
    spoolProblem = undefined;
  }

  /** Through the worker that runs, or a new one; false when neither has taken this file. */
  async function pushByWorker(path: string, name: string, waiting: AbortSignal): Promise<boolean> {
    // One that began before the file was ready does not know of it.
    for (const run of [worker.current, undefined]) {
      const joined = run ?? worker.current ?? startWorker();
      const outcome = await worker.outcome(joined, path, name, waiting);
      if (outcome === true) {
        spoolWorks();
        return true;
      }
      if (outcome !== undefined) {
        if (isAbout(spool.path, outcome)) {
          noteSpool(outcome.message);
          return false;
        }
        learn(outcome, keys);
        throw outcome;
      }
      const end = await joined.end;
      if (end !== undefined) noteEnd(end);
      if (run === undefined) break;
    }
    return false;
  }

  function startWorker() {
    const run = worker.start();
    void track(run.end);
    return run;
  }

  function noteEnd(end: Error): void {
    if (isPgbackrestError(end, "Cancelled")) return;
    logger.warn({ err: end, stanza: config.stanza }, "the worker of asynchronous archiving has failed");
    if (isPgbackrestError(end) && isAbout(spool.path, end)) noteSpool(end.message);
  }

  /** All that is ready, to the repositories that work, in the background. */
  async function pushRest(ready: ReadyFiles): Promise<void> {
    const only = healthy();
    if (only.length === 0 || only.length === keys.length || signal.aborted) return;
    const label = only.join("-");
    if (rest?.only !== label) {
      const spoolPath = join(spoolDirectory, `only-${label}`);
      const own = openPushSpool(spoolPath, config.stanza);
      await own.clear();
      const made = createPushWorker({ ...shared, spool: own, only });
      rest = { only: label, spoolPath, worker: made };
    }
    if (rest.worker.current !== undefined) return;
    const own = openPushSpool(rest.spoolPath, config.stanza);
    await own.open();
    if (await own.holdsAll(ready.names)) return;
    // Both use the lock of the stanza.
    await worker.current?.end;
    if (rest.worker.current === undefined) void track(rest.worker.start().end);
  }

  const startRest = (ready: ReadyFiles): void => {
    void track(pushRest(ready)).catch((error: unknown) =>
      logger.warn({ err: error, stanza: config.stanza }, "WAL does not get into the repositories that work"),
    );
  };

  /** A repository that hangs keeps pgBackRest from the others for minutes: then each is asked for itself. */
  async function askEach(path: string, ready: ReadyFiles): Promise<void> {
    if (keys.length === 1 || failing.size > 0) return;
    await Promise.allSettled(keys.map((key) => pushNow(path, hurriedMsMax, [key])));
    if (failing.size > 0) startRest(ready);
  }

  async function whileAsking<T>(path: string, ready: ReadyFiles, push: Promise<T>): Promise<T> {
    const timer = setTimeout(() => void track(askEach(path, ready)), patienceMs);
    try {
      return await push;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    failing,
    get spoolProblem() {
      return spoolProblem;
    },
    setFailing: (key, message) => void failing.set(key, message),
    async isStored(path, name) {
      permit.called();
      return config.archive.async && isSpoolOurs && (await spool.outcomeOf(path, name)) === true;
    },
    async push(path, name, ready, waiting) {
      permit.called();
      // A single file costs less without the worker's processes, unless that is at work anyway.
      const isWorth = ready.names.includes(name) && (ready.count > 1 || worker.current !== undefined);
      const byWorker = config.archive.async && failing.size === 0 && isWorth && (await canSpool());
      try {
        if (byWorker && (await whileAsking(path, ready, pushByWorker(path, name, waiting)))) return;
        if (failing.size > 0) startRest(ready);
        await whileAsking(path, ready, waitFor(pushOne(path, name), waiting));
      } catch (error) {
        if (failing.size > 0) startRest(ready);
        throw error;
      }
    },
    async pushWherePossible(path, name, waiting) {
      permit.called();
      // Whether the others are back is found out aside: PostgreSQL's disk fills up.
      if (pushing.size < asideMax && performance.now() - askedAside > asideEveryMs) {
        askedAside = performance.now();
        void pushOne(path, name).catch(() => undefined);
      }
      const only = healthy();
      if (only.length === 0) return keys;
      try {
        await waitFor(track(pushNow(path, hurriedMsMax, only)), waiting);
        return keys.filter((key) => !only.includes(key));
      } catch (error) {
        waiting.throwIfAborted();
        if (isPgbackrestError(error) && neverGivenUpFor.has(error.kind)) throw error;
        logger.warn({ err: error, segment: name, repositories: only }, "WAL did not get into a repository in time");
        return keys;
      }
    },
    // What could not be removed is not believed; the worker is done without until it is gone.
    begin: () => emptySpool().catch(() => undefined),
    async idle() {
      while (running.size > 0) await Promise.allSettled(running);
    },
  };
}

/** The limit of the queue is ours (archiver.ts): pgBackRest's own gives WAL up in all repositories when one is away. */
const optionsOf = ({ config }: Pgbackrest): readonly string[] => [
  "--reset-archive-push-queue-max",
  ...ioTimeoutOption(config, ioTimeoutSeconds),
];

/** pgBackRest's errors of files and folders (41 open, 60 remove, 64 write, 79 close …) that name this one. */
const isAbout = (path: string, { code = 0, message }: PgbackrestError): boolean =>
  [40, 41, 42, 47, 52, 53, 54, 60, 61, 64, 73, 74, 79, 83, 88, 97, 98].includes(code) && message.includes(path);

/** pgBackRest tries a repository that is away eight times as long: a call has 60 s. */
const ioTimeoutSeconds = 6;

/** "repository 2 (s3://b/path)" */
export const describeRepositories = ({ config }: Pgbackrest, keys: readonly number[]): string =>
  config.repositories
    .filter(({ key }) => keys.includes(key))
    .map((repository) => `repository ${repository.key} (${locationOfRepository(repository)})`)
    .join(" and ");
