// Restore calls of CNPG for single WAL files, of either engine: how long a failure may last, before the fetcher does the
// work.
import { join } from "node:path";
import type { StoreReference } from "#cnpg/plugin-config.ts";
import type { RestoreMode, RestoreOrder, WalPort } from "#cnpgi/wal.ts";
import { isArchiveError } from "#engine/archive/errors.ts";
import type { Fetcher } from "#engine/archive/fetcher.ts";
import type { WalArchive } from "#engine/archive/wal-archive.ts";
import type { Logger } from "#observe/logger.ts";
import { readControlFile } from "#postgres/control.ts";
import { retry } from "#std/backoff.ts";
import { exists } from "#std/exists.ts";
import { atNewest, openMsMax } from "./newest.ts";

export interface WalRestoreDeps<Reference extends StoreReference> {
  readonly pgdata: string;
  readonly fetcher: Fetcher;
  readonly locate: (reference: Reference, signal: AbortSignal) => Promise<WalArchive>;
  /** Told what a recovery waits for, and with undefined that it goes on. */
  readonly onWaiting: (message: string | undefined) => void;
  readonly logger: Logger;
}

export interface RestoreCounts {
  readonly restored: number;
  readonly failed: number;
}

export interface WalRestore<Reference extends StoreReference> {
  readonly restore: WalPort<Reference>["restore"];
  counts(): RestoreCounts;
}

/** As the fetcher: a running instance never waits longer for its archive. */
const runningMsMax = 3_000;

export function createWalRestore<Reference extends StoreReference>(
  deps: WalRestoreDeps<Reference>,
): WalRestore<Reference> {
  const { pgdata, fetcher, locate, onWaiting, logger } = deps;
  const counts = { restored: 0, failed: 0 };
  let segmentBytes: number | undefined;

  /** Of this instance; it does not change in the instance's life. */
  async function readSegmentBytes(signal: AbortSignal): Promise<number> {
    segmentBytes ??= (await readControlFile(pgdata, { signal })).segmentBytes;
    return segmentBytes;
  }

  /** A standby that is being made for a replica cluster has no primary either, but streams: only recovery may wait. */
  async function modeOf({ mode }: RestoreOrder): Promise<RestoreMode> {
    return mode === "recovery" && !(await exists(join(pgdata, "recovery.signal"))) ? "running" : mode;
  }

  async function fetchOnce(order: RestoreOrder<Reference>, mode: RestoreMode, signal: AbortSignal): Promise<void> {
    const begunAt = performance.now();
    const segmentBytes = await readSegmentBytes(signal);
    const openMs = mode === "running" ? runningMsMax : openMsMax;
    const { name, destination, store } = order;
    const open = (limited: AbortSignal): Promise<WalArchive> => locate(store, limited);
    await atNewest({ open, openMs, store: store.name, signal, logger }, (archive, limited) =>
      fetcher.fetch({
        name,
        destination,
        archive,
        segmentBytes,
        mode,
        spentMs: Math.min(runningMsMax, Math.round(performance.now() - begunAt)),
        signal: limited,
        onWaiting: (error, sinceMs) => {
          logger.warn({ err: error, segment: name, sinceMs }, "recovery waits for its archive");
          onWaiting(error.message);
        },
      }),
    );
  }

  /** The engine waits for an archive that it has; here it is a store that cannot even be opened. */
  async function recover(order: RestoreOrder<Reference>, signal: AbortSignal): Promise<void> {
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

  async function restore(order: RestoreOrder<Reference>, signal: AbortSignal): Promise<void> {
    const mode = await modeOf(order);
    try {
      await (mode === "recovery" ? recover(order, signal) : fetchOnce(order, mode, signal));
      counts.restored++;
    } catch (error) {
      if (!isArchiveError(error, "NotFound")) counts.failed++;
      throw error;
    }
  }

  return { restore, counts: () => ({ ...counts }) };
}
