// Serves WAL to PostgreSQL's restore_command. What a failure means depends on who asks, so there are three modes:
//   recovery  any error ends recovery early and loses data: try without limit; only a proven absence is an answer
//   running   a hung call blocks streaming and promotion: 3 s, then "Unavailable", at once while the store is away
//   rewind    pg_rewind on a former primary: patient for a while, and goes backwards, so nothing is fetched ahead
import { dirname } from "node:path";
import { delay, within } from "#std/abort.ts";
import { backoffMs, retry } from "#std/backoff.ts";
import type { Logger } from "#observe/logger.ts";
import { parseSegmentName, parseWalFileName } from "#postgres/segment.ts";
import { ArchiveError, isArchiveError, isTimeout, isTransient, outOfTime, toArchiveError } from "./errors.ts";
import { createOutage, type Outage } from "./outage.ts";
import { placeFile, removeLeftovers } from "./place-file.ts";
import { createPrefetcher } from "./prefetch.ts";
import { createPerWalArchive, type WalArchive, type WalRequest } from "./wal-archive.ts";

export type FetchMode = "recovery" | "running" | "rewind";

const runningMsMax = 3_000;
const rewindMsMax = 30_000;
const waitingReportMs = 5 * 60_000;
const pauses = { firstMs: 500, maxMs: 30_000 };

export interface FetchRequest extends WalRequest {
  /** Absolute; the file appears here whole and durable, or not at all. */
  readonly destination: string;
  readonly archive: WalArchive;
  readonly mode: FetchMode;
  readonly signal: AbortSignal;
  /** How much of a running instance's time has gone by for the same call; none unless told. */
  readonly spentMs?: number;
  /** Recovery waits for the archive: told at the first failure and every five minutes from then. */
  readonly onWaiting?: (error: ArchiveError, sinceMs: number) => void;
}

export interface Fetcher {
  /** Throws ArchiveError; "NotFound" only when the archive has answered that it holds no such file. */
  fetch(request: FetchRequest): Promise<void>;
  /** Ends downloads ahead and probes, and empties the spool. */
  close(): Promise<void>;
}

export function createFetcher(options: { spoolDirectory: string; logger: Logger }): Fetcher {
  const closing = new AbortController();
  const prefetcher = createPrefetcher(options);
  const outageOf = createPerWalArchive<Outage>(() => createOutage(closing.signal));
  const tidied = new Map<string, Promise<void>>();

  /** Directories are cleared once of what an earlier process left; that this fails is for the file itself to show. */
  function tidy(directory: string): Promise<void> {
    const known = tidied.get(directory);
    if (known !== undefined) return known;
    const removal = removeLeftovers(directory).catch(() => undefined);
    tidied.set(directory, removal);
    return removal;
  }

  /** One try, from the spool or the archive. */
  async function fetchOnce(request: FetchRequest, signal: AbortSignal): Promise<void> {
    const { name, destination, archive, mode } = request;
    const outage = outageOf(archive);
    await tidy(dirname(destination));
    const fill = async (path: string): Promise<void> => {
      const wait = mode !== "running" || !outage.isOn;
      if (await prefetcher.take(request, path, { wait, signal })) return;
      if (mode === "running" && outage.isOn) {
        throw new ArchiveError("Unavailable", `${archive.description} did not answer a moment ago`);
      }
      await archive.download(request, path, signal);
      outage.end();
    };
    await placeFile(destination, fill, signal);
    const segment = mode === "rewind" ? undefined : parseSegmentName(name);
    if (segment !== undefined) prefetcher.served(request, segment);
  }

  /** Until the file is there or proven absent, or the caller gives up. */
  async function fetchInRecovery(request: FetchRequest): Promise<void> {
    const { signal, onWaiting } = request;
    let since: number | undefined;
    let reports = 0;
    for (let attempt = 1; ; attempt++) {
      try {
        return await fetchOnce(request, signal);
      } catch (error) {
        if (isArchiveError(error, "NotFound")) throw error;
        signal.throwIfAborted();
        since ??= performance.now();
        const waitedMs = performance.now() - since;
        if (waitedMs >= reports * waitingReportMs) {
          reports = Math.floor(waitedMs / waitingReportMs) + 1;
          onWaiting?.(toArchiveError(error, doing(request)), waitedMs);
        }
        await delay(backoffMs(attempt, pauses), signal);
      }
    }
  }

  /** Tries again after what time may mend, for `ms` in all. */
  async function fetchFor(ms: number, request: FetchRequest): Promise<void> {
    let lastError: unknown;
    const tryUntilFetched = (signal: AbortSignal): Promise<void> =>
      retry(() => fetchOnce(request, signal), {
        attempts: Infinity,
        firstMs: 200,
        maxMs: 2_000,
        signal,
        isTransient: (error) => isTransient(error) && !(request.mode === "running" && outageOf(request.archive).isOn),
        onRetry: (error) => (lastError = error),
      });
    try {
      await within(ms, request.signal, tryUntilFetched);
    } catch (error) {
      if (!isTimeout(error)) throw error;
      const inAll = (ms + (request.spentMs ?? 0)) / 1000;
      throw outOfTime(`${doing(request)} did not succeed within ${inAll} s`, lastError ?? error);
    }
  }

  async function fetchRunning(request: FetchRequest): Promise<void> {
    try {
      await fetchFor(Math.max(0, runningMsMax - (request.spentMs ?? 0)), request);
    } catch (error) {
      if (isTransient(error) && !request.signal.aborted) beginOutage(request);
      throw error;
    }
  }

  /** Asks in the background for the file that could not be had, and gets it into the spool: a slow store gets on this way. */
  function beginOutage(request: FetchRequest): void {
    const { archive, name } = request;
    outageOf(archive).begin(
      (signal) => archive.probe(name, signal),
      (exists) => {
        if (exists && parseSegmentName(name) !== undefined) prefetcher.hold(request);
      },
    );
  }

  return {
    async fetch(request) {
      const { name, mode, signal } = request;
      if (parseWalFileName(name) === undefined) {
        throw new ArchiveError("InvalidName", `not the name of a wal file: ${JSON.stringify(name)}`);
      }
      try {
        if (mode === "recovery") await fetchInRecovery(request);
        else if (mode === "running") await fetchRunning(request);
        else await fetchFor(rewindMsMax, request);
      } catch (error) {
        if (!signal.aborted) throw toArchiveError(error, doing(request));
        throw new ArchiveError("Unavailable", `${doing(request)} was cancelled`, { cause: error });
      }
    },
    async close() {
      closing.abort();
      await prefetcher.close();
    },
  };
}

const doing = ({ name, archive }: FetchRequest): string => `fetching ${name} from ${archive.description}`;
