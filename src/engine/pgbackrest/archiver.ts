// Stores WAL in the repositories of a Stanza for PostgreSQL's archive_command, one archiver for each sidecar. A call is
// answered only when its file is durable in every repository; the one exception is the limit that a Stanza may set to
// PostgreSQL's queue, beyond which a file is given up where it cannot be stored, as a gap that is told.
//
//   archive(N) ── stored by the worker? ── yes ─► answer
//                      │ no
//                 stanza made ready (once) ─► push N, alone or with all that is ready ─► answer
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Mutex } from "#kube/mutex.ts";
import type { Logger } from "#observe/logger.ts";
import { readControlFile } from "#postgres/control.ts";
import { parseWalFileName } from "#postgres/segment.ts";
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { waitFor } from "#std/abort.ts";
import { retry } from "#std/backoff.ts";
import type { ArchiveCall, ArchiverStatus } from "../archive/archiver.ts";
import { withinCall } from "../archive/call-time.ts";
import { ArchiveError, isTimeout, outOfTime, toArchiveError } from "../archive/errors.ts";
import { readReadyFiles, type ReadyFiles } from "../archive/ready-queue.ts";
import { fingerprintOf } from "../archive/wal-file.ts";
import { openGapFile } from "./gap-file.ts";
import { createGaps, type Gap, type GapPlace } from "./gaps.ts";
import { prepareStanza, type PreparedStanza } from "./prepare-stanza.ts";
import { createPusher, describeRepositories, type Pusher } from "./pusher.ts";

export interface StanzaArchiverOptions {
  readonly pgdata: string;
  /** pg_wal, or what it links to. */
  readonly walDirectory: string;
  /** On a volume of its own where there is one; each database system gets a folder in it, each Stanza one in that. */
  readonly spoolDirectory: string;
  /** On PostgreSQL's volume, outside PGDATA: what has to outlive the pod. */
  readonly stateDirectory: string;
  readonly logger: Logger;
  /** A call ends within this time, sooner when PostgreSQL stops: 60 s unless told. */
  readonly callMsMax?: number;
}

/** A Stanza as it is opened now. Another object after a change of its settings. */
export interface StanzaTarget {
  /** The Stanza object's name, for messages. */
  readonly name: string;
  readonly pgbackrest: Pgbackrest;
  readonly mutex: Mutex;
  /** Aborts when the settings have changed. */
  readonly superseded?: AbortSignal;
}

export interface StanzaArchiverStatus extends ArchiverStatus {
  /** WAL that was given up, oldest first. */
  readonly gaps: readonly Gap[];
  /** What keeps archiving from being as fast as it could be. */
  readonly warning?: string;
}

export interface StanzaArchiver {
  /** As Archiver.archive of an ObjectStore. Throws ArchiveError. */
  archive(path: string, target: StanzaTarget, call: ArchiveCall): Promise<void>;
  status(): StanzaArchiverStatus;
  /** Refuses new calls and waits for what is under way; ends it when `signal` aborts. */
  close(signal: AbortSignal): Promise<void>;
}

interface TargetState {
  readonly pushed: Promise<Pusher>;
  prepared: PreparedStanza | undefined;
  healthy: boolean;
}

const defaultCallMsMax = 60_000;
/** Once PostgreSQL stops, and when the call before has failed too: see call-time.ts. */
const stoppingMsMax = 4_000;
const stoppingAgainMsMax = 1_000;

export function createStanzaArchiver(options: StanzaArchiverOptions): StanzaArchiver {
  const { pgdata, walDirectory, spoolDirectory, stateDirectory, logger, callMsMax = defaultCallMsMax } = options;
  const states = new WeakMap<Pgbackrest, TargetState>();
  const closing = new AbortController();
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();
  const pushers: Pusher[] = [];
  const gaps = createGaps(openGapFile([stateDirectory, spoolDirectory], logger));
  const totals = { failures: 0, files: 0, bytes: 0, storedBytes: 0 };
  let current: Pusher | undefined;
  /** It does not change while the process lives. */
  let systemId: string | undefined;
  let ready: number | undefined;
  let lastArchived: ArchiverStatus["lastArchived"];
  let lastFailure: ArchiverStatus["lastFailure"];

  function stateOf(target: StanzaTarget, systemId: string): TargetState {
    const known = states.get(target.pgbackrest);
    if (known !== undefined) return known;
    const { pgbackrest, superseded } = target;
    const given = superseded === undefined ? [] : [superseded];
    const pusher = createPusher({
      pgbackrest,
      pgdata,
      walDirectory,
      // Two Stanzas may give their stanzas one name, and a Cluster may go from one to the other and back.
      spoolDirectory: join(spoolDirectory, systemId, target.name),
      logger,
      signal: AbortSignal.any([stopping.signal, ...given]),
    });
    // Those before it write into the same spool, until they have ended.
    const begun = Promise.all(pushers.splice(0).map((before) => before.idle())).then(() => pusher.begin());
    pushers.push(pusher);
    current = pusher;
    const state: TargetState = { pushed: begun.then(() => pusher), prepared: undefined, healthy: false };
    states.set(pgbackrest, state);
    return state;
  }

  async function readReady(): Promise<ReadyFiles> {
    const read = await readReadyFiles(join(walDirectory, "archive_status"), closing.signal);
    // PostgreSQL renames the mark of the file that was answered last only a moment later.
    ready = read.count - (lastArchived !== undefined && read.names.includes(lastArchived.name) ? 1 : 0);
    return read;
  }

  async function archiveOnce(path: string, target: StanzaTarget, call: ArchiveCall): Promise<void> {
    const name = basename(path);
    const { pgbackrest } = target;
    await fingerprintOf(path);
    systemId ??= (await readControlFile(pgdata, call)).systemId;
    const state = stateOf(target, systemId);
    const pusher = await waitFor(state.pushed, call.signal);
    if (state.prepared !== undefined && (await pusher.isStored(path, name))) return;
    state.prepared ??= await prepare(target, systemId, pusher, call);
    const files = await readReady();
    const { pushQueueBytes = Infinity } = pgbackrest.config.archive;
    const isOver = files.count * state.prepared.segmentBytes > pushQueueBytes;
    try {
      if (isOver && pusher.failing.size > 0) await giveUpWhereNeeded(path, target, { pusher, systemId }, call.signal);
      else await pusher.push(path, name, files, call.signal);
    } catch (error) {
      // Somebody has removed the stanza, or the database was upgraded: look again.
      if (isPgbackrestError(error, "NoStanza") || isPgbackrestError(error, "Identity")) state.prepared = undefined;
      throw error;
    }
  }

  async function prepare(
    target: StanzaTarget,
    systemId: string,
    pusher: Pusher,
    call: ArchiveCall,
  ): Promise<PreparedStanza> {
    const { pgbackrest, mutex } = target;
    await gaps.use(placeOfGaps(target, systemId));
    const prepared = await prepareStanza({ ...call, pgbackrest, pgdata, mutex, logger });
    await gaps.close(target.name, prepared.backups);
    for (const [key, why] of prepared.waiting) pusher.setFailing(key, why);
    return prepared;
  }

  async function giveUpWhereNeeded(
    path: string,
    target: StanzaTarget,
    { pusher, systemId }: { readonly pusher: Pusher; readonly systemId: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { pgbackrest, name: stanza } = target;
    const name = basename(path);
    const repositories = await pusher.pushWherePossible(path, name, signal);
    if (repositories.length === 0) return;
    await gaps.add({ segment: name, repositories, at: new Date() }, placeOfGaps(target, systemId));
    const where = describeRepositories(pgbackrest, repositories);
    const { pushQueueMax } = pgbackrest.config.archive;
    logger.error({ segment: name, stanza, where, pushQueueMax }, "WAL was given up: the queue has outgrown its limit");
  }

  /** Tries until the file is stored, somebody is needed, or the call's time is over. */
  async function archiveWithin(path: string, target: StanzaTarget, call: ArchiveCall): Promise<void> {
    let lastError: unknown;
    const tryUntilStored = (signal: AbortSignal): Promise<void> =>
      retry(() => archiveOnce(path, target, { ...call, signal }), {
        attempts: Infinity,
        firstMs: 500,
        maxMs: 5_000,
        signal,
        // pgBackRest tries long enough by itself what a repository refuses. A missing stanza is made by the next try.
        isTransient: (error) => !closing.signal.aborted && (isPgbackrestError(error, "Busy") || isFirst(error)),
        onRetry: (error) => (lastError = error),
      });
    const isFirst = (error: unknown): boolean => lastError === undefined && isPgbackrestError(error, "NoStanza");
    const healthy = states.get(target.pgbackrest)?.healthy === true;
    const times = { callMsMax, stoppingMsMax: healthy ? stoppingMsMax : stoppingAgainMsMax };
    try {
      await withinCall(pgdata, times, call.signal, tryUntilStored);
    } catch (error) {
      const doing = `archiving ${basename(path)} to ${placeOf(target, current?.failing)}`;
      if (call.signal.aborted) throw new ArchiveError("Unavailable", `${doing} was cancelled`, { cause: error });
      if (!isTimeout(error)) throw toArchiveError(error, doing);
      throw outOfTime(`${doing} did not succeed ${error.message}`, lastError ?? failureOf(current) ?? error);
    }
  }

  async function archive(path: string, target: StanzaTarget, call: ArchiveCall): Promise<void> {
    const name = basename(path);
    const note = (healthy: boolean): void => {
      const state = states.get(target.pgbackrest);
      if (state !== undefined) state.healthy = healthy;
    };
    try {
      await archiveWithin(path, target, call);
      note(true);
      if (ready !== undefined) ready = Math.max(0, ready - 1);
      lastArchived = { name, at: new Date() };
      totals.files++;
      totals.bytes += await stat(path).then(
        ({ size }) => size,
        () => 0,
      );
    } catch (error) {
      note(false);
      totals.failures++;
      if (error instanceof ArchiveError) lastFailure = { name, at: new Date(), error };
      throw error;
    }
  }

  return {
    async archive(path, target, call) {
      if (parseWalFileName(basename(path)) === undefined)
        throw new ArchiveError("InvalidName", `not the name of a wal file: ${JSON.stringify(basename(path))}`);
      if (closing.signal.aborted) throw new ArchiveError("Unavailable", "the sidecar is shutting down");
      const work = archive(path, target, call);
      running.add(work);
      await work.finally(() => running.delete(work));
    },
    status: () => ({
      ...totals,
      gaps: gaps.list,
      ...(ready !== undefined && { ready }),
      ...(lastArchived && { lastArchived }),
      ...(lastFailure && { lastFailure }),
      ...(current?.spoolProblem !== undefined && { warning: current.spoolProblem }),
    }),
    async close(signal) {
      closing.abort();
      const all = async (): Promise<void> => {
        await Promise.allSettled(running);
        await Promise.all(pushers.map((pusher) => pusher.idle()));
      };
      const ending = all();
      await waitFor(ending, signal).catch(() => stopping.abort());
      await ending;
    },
  };
}

const placeOfGaps = ({ name, pgbackrest: { config } }: StanzaTarget, systemId: string): GapPlace => ({
  systemId,
  stanza: name,
  config,
});

/** "stanza main, repository 2 (s3://b/path)" */
function placeOf({ name, pgbackrest }: StanzaTarget, failing: ReadonlyMap<number, string> | undefined): string {
  const where = describeRepositories(pgbackrest, [...(failing?.keys() ?? [])]);
  return `stanza ${pgbackrest.config.stanza} (Stanza ${name})${where === "" ? "" : `, where ${where} fails,`}`;
}

function failureOf(pusher: Pusher | undefined): Error | undefined {
  const [message] = pusher?.failing.values() ?? [];
  return message === undefined ? undefined : new Error(message);
}
