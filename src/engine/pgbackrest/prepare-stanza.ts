// Makes a stanza ready for the WAL of this database system, once for each Stanza that is opened: looks at it, refuses a
// foreign one, creates it where it is missing, upgrades it after a major upgrade. What it cannot do yet because another
// one works on the stanza, it leaves: WAL then goes into the repositories that are ready.
import type { Mutex } from "#kube/mutex.ts";
import { MutexBusyError } from "#kube/mutex.ts";
import type { Logger } from "#observe/logger.ts";
import { readControlFile } from "#postgres/control.ts";
import { PostgresFileError } from "#postgres/errors.ts";
import { isPgbackrestError } from "#repository/pgbackrest/errors.ts";
import { readInfo, type BackupInfo } from "#repository/pgbackrest/info.ts";
import { ownerOf } from "#repository/pgbackrest/owner.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { isTrusted, repositoryError } from "#repository/pgbackrest/repository-state.ts";
import { ArchiveError } from "../archive/errors.ts";
import type { ClusterIdentity } from "../archive/owner-guard.ts";
import { readOwnerMark, writeOwnerMark } from "./owner-mark.ts";
import { planStanza, type ObservedStanza, type StanzaPlan } from "./stanza-plan.ts";

export interface PrepareOptions {
  readonly pgbackrest: Pgbackrest;
  readonly pgdata: string;
  /** Of the Stanza. */
  readonly mutex: Mutex;
  readonly cluster: ClusterIdentity;
  readonly checkEmpty: boolean;
  readonly skipCheck: boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface PreparedStanza {
  readonly systemId: string;
  readonly segmentBytes: number;
  /** Repositories that cannot take WAL yet, and why. */
  readonly waiting: ReadonlyMap<number, string>;
  /** Those that its repositories list. */
  readonly backups: readonly BackupInfo[];
}

type Control = Pick<PreparedStanza, "systemId" | "segmentBytes"> & { readonly pgVersion: number };
type Use = Extract<StanzaPlan, { kind: "use" }>;

const infoMsMax = 15_000;
const makeMsMax = 45_000;
/** Longer than a short piece of work of another holder; a backup takes hours. */
const mutexMsMax = 5_000;

/** Throws ArchiveError "ForeignArchive", "ExpectedEmptyArchive", "StoreRefused", "LocalFile" or "Unavailable", and PgbackrestError. */
export async function prepareStanza(options: PrepareOptions): Promise<PreparedStanza> {
  const control = await readControl(options);
  const { observed, plan } = await look(control, options);
  const isReady = plan.create.length + plan.upgrade.length === 0;
  const waiting = isReady ? new Map<number, string>() : await make(control, plan, options);
  await leaveMark(observed, waiting, options);
  const { systemId, segmentBytes } = control;
  return { systemId, segmentBytes, waiting, backups: observed.info.backups };
}

async function readControl({ pgdata, signal }: PrepareOptions): Promise<Control> {
  try {
    return await readControlFile(pgdata, { signal });
  } catch (error) {
    if (!(error instanceof PostgresFileError)) throw error;
    throw new ArchiveError("LocalFile", `cannot tell which database system this is: ${error.message}`, {
      cause: error,
    });
  }
}

async function look(control: Control, options: PrepareOptions): Promise<{ observed: ObservedStanza; plan: Use }> {
  const { pgbackrest, cluster, checkEmpty, skipCheck, signal } = options;
  const info = await readInfo(pgbackrest, { deadlineMs: infoMsMax, signal });
  const owner = await findMark(info, options);
  const { systemId, pgVersion } = control;
  const about = { systemId, pgVersion, info, cluster, checkEmpty, skipCheck };
  const observed = { ...about, ...(owner !== undefined && { owner }) };
  const plan = planStanza(observed);
  if (plan.kind === "use") return { observed, plan };
  if (plan.kind === "refuse") throw new ArchiveError(plan.error, plan.message, { hint: plan.hint });
  const message = `no repository of stanza ${info.stanza} can be read: ${plan.message}`;
  const errors = info.repositories.map(({ key, status }) =>
    repositoryError({ stanza: info.stanza, key }, status.message),
  );
  const { hint } = errors.find((error) => error.hint !== undefined) ?? {};
  const kind = errors.some(({ transient }) => transient) ? "Unavailable" : "StoreRefused";
  throw new ArchiveError(kind, message, { cause: errors[0], hint });
}

async function findMark(info: ObservedStanza["info"], { pgbackrest, signal }: PrepareOptions) {
  for (const { key, state } of info.repositories) {
    if (!isTrusted(state) || state === "NoStanza") continue;
    const mark = await readOwnerMark(pgbackrest, { repository: key, signal });
    if (mark !== undefined) return mark;
  }
  // Versions of pgBackRest without repo-put leave no mark, but each backup of ours names its Cluster.
  const { cluster, systemId, since = new Date(0) } = ownerOf(info) ?? {};
  return cluster === undefined || systemId === undefined ? undefined : { systemId, cluster, since };
}

/** Looks again while it holds the Lease: another one may have made it meanwhile. */
async function make(control: Control, before: Use, options: PrepareOptions): Promise<ReadonlyMap<number, string>> {
  const { pgbackrest, mutex, signal, logger } = options;
  const { stanza, repositories } = pgbackrest.config;
  try {
    await mutex.hold({ purpose: "stanza-create", waitMs: mutexMsMax, signal }, async (held) => {
      const { create, upgrade } = (await look(control, { ...options, signal: held })).plan;
      // Offline: pg_control says all that is needed, and PostgreSQL may be stopping.
      const call = { options: ["--no-online", "--io-timeout=6"], deadlineMs: makeMsMax, signal: held };
      if (create.length > 0) {
        await pgbackrest.run("stanza-create", { ...call, only: create });
        logger.info({ stanza, repositories: create }, "the stanza was created");
      }
      if (upgrade.length > 0) {
        await pgbackrest.run("stanza-upgrade", { ...call, only: upgrade });
        logger.info({ stanza, repositories: upgrade, systemId: control.systemId }, "the stanza was upgraded");
      }
    });
    return new Map();
  } catch (error) {
    const concerned = [...before.create, ...before.upgrade];
    const isBusy = error instanceof MutexBusyError || isPgbackrestError(error, "Busy");
    const some = concerned.length < repositories.length;
    signal.throwIfAborted();
    if (!some && isBusy)
      throw new ArchiveError("Unavailable", `stanza ${stanza} waits to be created: ${error.message}`, { cause: error });
    // WAL is needed in the repositories that are ready, whatever stands in the way of the others.
    if (!some || !(error instanceof Error) || error instanceof ArchiveError) throw error;
    logger.warn({ err: error, stanza, repositories: concerned }, "the stanza is not in every repository yet");
    return new Map(concerned.map((key) => [key, `its stanza waits to be created: ${error.message}`]));
  }
}

/** So that a later major upgrade is known for one. Without it WAL is as safe: its failure is only told. */
async function leaveMark(
  { owner, cluster, systemId, info }: ObservedStanza,
  waiting: ReadonlyMap<number, string>,
  { pgbackrest, signal, logger }: PrepareOptions,
): Promise<void> {
  if (owner?.systemId === systemId && owner.cluster.uid === cluster.uid) return;
  const mark = { systemId, cluster, since: new Date() };
  for (const { key, state } of info.repositories) {
    if (!isTrusted(state) || waiting.has(key)) continue;
    try {
      await writeOwnerMark(pgbackrest, mark, { repository: key, signal });
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ err: error, stanza: info.stanza, repository: key }, "the owner's mark could not be written");
    }
  }
}
