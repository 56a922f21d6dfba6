// The port of wal-archive.ts over the repositories of a stanza: WAL is read by pgBackRest's archive-get. Each repository is
// asked by a process of its own, because one process that is to ask all of them waits for each that is away, and says
// "not found" when only some have answered.
import { chmod, rename, rm } from "node:fs/promises";
import { delay, waitFor } from "#std/abort.ts";
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";
import { readInfo } from "#repository/pgbackrest/info.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { isTrusted, repositoryError } from "#repository/pgbackrest/repository-state.ts";
import { ArchiveError, isArchiveError, toArchiveError } from "../archive/errors.ts";
import type { WalArchive, WalRequest } from "../archive/wal-archive.ts";
import { describeRepositories } from "./pusher.ts";

export interface StanzaArchiveOptions {
  /** The Stanza object's name, for messages. */
  readonly name: string;
  readonly superseded?: AbortSignal;
}

/** What is remembered of one stanza. */
interface Memory {
  /** The repository that had a file last: asked first. */
  preferred: number | undefined;
  /** Questions that nobody waits for any more, until their processes are gone. */
  readonly leaving: Set<Promise<unknown>>;
  /** No two processes ever write to one place, also not when they are to fill the same path. */
  places: number;
}

/** A process that hears no SIGTERM lives some seconds longer: not many of them at once. */
const leavingMax = 8;

const memories = new WeakMap<Pgbackrest, Memory>();

const getMsMax = 120_000;
const probeMsMax = 5_000;
/** After this time without an answer the next repository is asked as well. */
const hedgeMs = 700;
/** Of archive-get: the repository has answered that it holds no such file. */
const absent = 1;

type Answer = "found" | "absent";

export function stanzaArchive(pgbackrest: Pgbackrest, { name: stanza, superseded }: StanzaArchiveOptions): WalArchive {
  const { config } = pgbackrest;
  const keys = config.repositories.map(({ key }) => key);
  const memory = memories.get(pgbackrest) ?? { preferred: undefined, leaving: new Set(), places: 0 };
  memories.set(pgbackrest, memory);
  const description = `stanza ${config.stanza} (Stanza ${stanza})`;

  async function ask(key: number, { name }: WalRequest, path: string, signal: AbortSignal): Promise<Answer> {
    const { code } = await pgbackrest.run("archive-get", {
      options: ["--no-archive-async", "--log-level-console=off", "--log-level-stderr=warn", "--io-timeout=6"],
      parameters: [name, path],
      repository: key,
      answers: [absent],
      deadlineMs: getMsMax,
      signal,
    });
    return code === absent ? "absent" : "found";
  }

  /** A repository without the stanza holds no WAL of it; that it can be listed tells it from one that is not there. */
  async function askSurely(key: number, request: WalRequest, path: string, signal: AbortSignal): Promise<Answer> {
    try {
      return await ask(key, request, path, signal);
    } catch (error) {
      signal.throwIfAborted();
      const isOutsider = isPgbackrestError(error, "NoStanza") || isPgbackrestError(error, "Identity");
      if (isOutsider) return await requireAnswer(key, signal);
      const where = describeRepositories(pgbackrest, [key]);
      throw toArchiveError(error, `reading ${request.name} from ${where} of ${description}`);
    }
  }

  async function requireAnswer(key: number, signal: AbortSignal): Promise<"absent"> {
    const info = await readInfo(pgbackrest, { repository: key, deadlineMs: probeMsMax, signal });
    const silent = info.repositories.find(({ state }) => !isTrusted(state));
    if (silent === undefined) return "absent";
    const error = repositoryError({ stanza: config.stanza, key }, silent.status.message);
    throw toArchiveError(error, `reading ${describeRepositories(pgbackrest, [key])} of ${description}`);
  }

  interface Found {
    readonly key: number;
    readonly place: string;
  }

  /** Whoever it is that still asks when the answer is there, or the time is over, ends by himself, and leaves no file. */
  function leave(asked: ReadonlyMap<string, Promise<unknown>>): void {
    for (const [place, question] of asked) {
      const left = question.then(() => rm(place, { force: true })).catch(() => undefined);
      memory.leaving.add(left);
      void left.finally(() => memory.leaving.delete(left));
    }
  }

  async function room(signal: AbortSignal): Promise<void> {
    while (memory.leaving.size >= leavingMax) await waitFor(Promise.race(memory.leaving), signal);
  }

  /** Where the copy is; undefined when all repositories have answered that they have none. Rejects as soon as `signal` aborts. */
  async function find(request: WalRequest, path: string, signal: AbortSignal): Promise<Found | undefined> {
    const over = new AbortController();
    const limited = AbortSignal.any([signal, over.signal]);
    const failures: unknown[] = [];
    const attempt = async (key: number, place: string): Promise<Found | undefined> => {
      try {
        return (await askSurely(key, request, place, limited)) === "found" ? { key, place } : undefined;
      } catch (error) {
        failures.push(error);
        return undefined;
      }
    };
    await room(signal);
    const asked = new Map<string, Promise<Found | undefined>>();
    let handedOn: string | undefined;
    try {
      let found: Found | undefined;
      for (const key of inOrder(keys, memory.preferred)) {
        const place = `${path}.repository-${key}-${++memory.places}`;
        asked.set(place, attempt(key, place));
        const slow = delay(hedgeMs, limited).catch(() => undefined);
        found = await Promise.race([firstDefined([...asked.values()]), slow.then(() => undefined)]);
        if (found !== undefined || signal.aborted) break;
      }
      found ??= await waitFor(firstDefined([...asked.values()]), signal);
      signal.throwIfAborted();
      if (found === undefined && failures.length > 0) throw worst(failures);
      handedOn = found?.place;
      return found;
    } finally {
      over.abort(new DOMException("another repository has it", "AbortError"));
      leave(new Map([...asked].filter(([place]) => place !== handedOn)));
    }
  }

  async function download(request: WalRequest, path: string, signal: AbortSignal): Promise<void> {
    const found = await find(request, path, signal);
    if (found === undefined) throw new ArchiveError("NotFound", `wal file ${request.name} is not in ${description}`);
    memory.preferred = found.key;
    try {
      await chmod(found.place, 0o600);
      await rename(found.place, path);
    } catch (error) {
      await rm(found.place, { force: true });
      throw error;
    }
  }

  return {
    identity: pgbackrest,
    description,
    maxParallel: config.processMax,
    aheadBytesMax: config.archive.getQueueBytes,
    ...(superseded !== undefined && { superseded }),
    download,
    async downloadAhead(request, path, signal) {
      try {
        await download(request, path, signal);
        return true;
      } catch (error) {
        if (isArchiveError(error, "NotFound")) return false;
        throw error;
      }
    },
    async probe(name, signal) {
      const info = await readInfo(pgbackrest, { deadlineMs: probeMsMax, signal });
      const isAnswered = info.repositories.some(({ state }) => state !== "Unreachable" && state !== "Unknown");
      if (!isAnswered) throw new ArchiveError("Unavailable", `${description} does not answer`);
      // Whether it holds the file costs as much as getting it.
      return name !== "";
    },
  };
}

const inOrder = (keys: readonly number[], preferred: number | undefined): readonly number[] =>
  preferred === undefined ? keys : [preferred, ...keys.filter((key) => key !== preferred)];

/** The first that becomes defined, or undefined when none does. */
async function firstDefined<T>(promises: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  const defined = promises.map(async (promise) => (await promise) ?? Promise.reject(new Error("nothing")));
  return Promise.any(defined).catch(() => undefined);
}

/** Of several failures, the one that time may mend: that decides whether it is tried again. */
const worst = (failures: readonly unknown[]): unknown =>
  failures.find((failure) => isArchiveError(failure, "Unavailable")) ?? failures[0];
