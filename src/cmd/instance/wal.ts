// WAL calls of CNPG on this instance: how long a failure may last, before the engine does the work.
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { ArchiveOrder, RestoreMode, RestoreOrder, WalPort } from "#cnpgi/wal.ts";
import type { Archiver } from "#engine/archive/archiver.ts";
import type { ArchiveLocation } from "#engine/archive/location.ts";
import { isArchiveError } from "#engine/archive/errors.ts";
import type { Fetcher } from "#engine/archive/fetcher.ts";
import type { Logger } from "#observe/logger.ts";
import { readControlFile } from "#postgres/control.ts";
import type { ObjectStoreReference } from "#cnpg/plugin-config.ts";
import { within } from "#std/abort.ts";
import { retry } from "#std/backoff.ts";
import type { Locate } from "./locations.ts";

export interface WalDeps {
  readonly pgdata: string;
  readonly archiver: Archiver;
  readonly fetcher: Fetcher;
  readonly locate: Locate;
  /** Told what a recovery waits for, and with undefined that it goes on. */
  readonly onWaiting: (message: string | undefined) => void;
  readonly logger: Logger;
}

export interface RestoreCounts {
  readonly restored: number;
  readonly failed: number;
}

/** CNPG's marker: nothing has been archived by this cluster yet. */
const emptyCheckMarker = ".check-empty-wal-archive";
/** As the engine: a running instance never waits longer for its archive. */
const runningMsMax = 3_000;
/** Reading an ObjectStore and its Secrets, the first time. */
const openMsMax = 30_000;

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

export function createWalPort(deps: WalDeps): WalPort<ObjectStoreReference> & { counts(): RestoreCounts } {
  const { pgdata, archiver, fetcher, locate, onWaiting, logger } = deps;
  const counts = { restored: 0, failed: 0 };
  let segmentBytes: number | undefined;

  /** Of this instance; it does not change in the instance's life. */
  async function readSegmentBytes(signal: AbortSignal): Promise<number> {
    segmentBytes ??= (await readControlFile(pgdata, { signal })).segmentBytes;
    return segmentBytes;
  }

  /** Waiting for a store ends when people correct its settings; then the work begins anew where it is now. */
  async function atNewest(
    reference: ObjectStoreReference,
    { openMs, signal }: { readonly openMs: number; readonly signal: AbortSignal },
    work: (location: ArchiveLocation, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    for (;;) {
      const location = await within(openMs, signal, (limited) => locate(reference, limited));
      const { superseded } = location;
      try {
        return await work(location, superseded === undefined ? signal : AbortSignal.any([signal, superseded]));
      } catch (error) {
        if (signal.aborted || superseded?.aborted !== true) throw error;
        logger.info({ store: reference.name }, "the store has changed meanwhile");
      }
    }
  }

  async function archive(order: ArchiveOrder<ObjectStoreReference>, signal: AbortSignal): Promise<void> {
    const skipCheck = order.skipEmptyCheck;
    const checkEmpty = order.checkEmpty ?? (!skipCheck && (await exists(join(pgdata, emptyCheckMarker))));
    const { namespace, name, uid = "" } = order.cluster.metadata;
    const cluster = { namespace, name, uid };
    await atNewest(order.store, { openMs: openMsMax, signal }, (location, limited) =>
      archiver.archive(order.path, location, { cluster, checkEmpty, skipCheck, signal: limited }),
    );
  }

  /** A standby that is being made for a replica cluster has no primary either, but streams: only recovery may wait. */
  async function modeOf({ mode }: RestoreOrder): Promise<RestoreMode> {
    return mode === "recovery" && !(await exists(join(pgdata, "recovery.signal"))) ? "running" : mode;
  }

  async function fetchOnce(
    order: RestoreOrder<ObjectStoreReference>,
    mode: RestoreMode,
    signal: AbortSignal,
  ): Promise<void> {
    const segmentBytes = await readSegmentBytes(signal);
    const openMs = mode === "running" ? runningMsMax : openMsMax;
    await atNewest(order.store, { openMs, signal }, (location, limited) =>
      fetcher.fetch({
        name: order.name,
        destination: order.destination,
        location,
        segmentBytes,
        mode,
        signal: limited,
        onWaiting: (error, sinceMs) => {
          logger.warn({ err: error, segment: order.name, sinceMs }, "recovery waits for its archive");
          onWaiting(error.message);
        },
      }),
    );
  }

  /** The engine waits for an archive that it has; here it is a store that cannot even be opened. */
  async function recover(order: RestoreOrder<ObjectStoreReference>, signal: AbortSignal): Promise<void> {
    await retry(() => fetchOnce(order, "recovery", signal), {
      attempts: Infinity,
      firstMs: 500,
      maxMs: 15_000,
      signal,
      isTransient: (error) => !isArchiveError(error, "NotFound") && !isArchiveError(error, "InvalidName"),
      onRetry: (error, attempt) => {
        if (attempt === 1) logger.warn({ err: error, segment: order.name }, "recovery waits for its archive");
        onWaiting(error instanceof Error ? error.message : String(error));
      },
    });
    onWaiting(undefined);
  }

  async function restore(order: RestoreOrder<ObjectStoreReference>, signal: AbortSignal): Promise<void> {
    const mode = await modeOf(order);
    try {
      await (mode === "recovery" ? recover(order, signal) : fetchOnce(order, mode, signal));
      counts.restored++;
    } catch (error) {
      if (!isArchiveError(error, "NotFound")) counts.failed++;
      throw error;
    }
  }

  return { archive, restore, counts: () => ({ ...counts }) };
}
