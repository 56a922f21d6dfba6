// What the sidecar says of its instance, for the InstanceReport: from the engine's memory and one cheap query. A fact that
// cannot be had is left out, never made up.
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceEntry, Wishes } from "#engine/report/reporter.ts";
import type { StanzaArchiverStatus } from "#engine/pgbackrest/archiver.ts";
import type { Logger } from "#observe/logger.ts";
import { connectPostgres } from "#postgres/connection.ts";
import { formatLsn, parseLsn } from "#postgres/lsn.ts";
import type { RunningBackup } from "./backup.ts";
import type { RunningRestore } from "./restore.ts";
import type { Surroundings } from "./surroundings.ts";

export interface ReportDeps {
  readonly surroundings: Surroundings;
  readonly archiving: () => StanzaArchiverStatus;
  readonly backup: () => RunningBackup | undefined;
  readonly restore: () => RunningRestore | undefined;
  readonly cancelBackup: (name: string) => void;
  readonly logger: Logger;
}

/** The role changes seldom; PostgreSQL is asked this often. */
const roleEveryMs = 5_000;

export function createReport({ surroundings, archiving, backup, restore, cancelBackup, logger }: ReportDeps) {
  let role: Pick<InstanceEntry, "role" | "currentLSN" | "replayedLSN"> = {};
  let askedAt = -Infinity;
  let switchedAfter: bigint | undefined;

  const connect = (signal: AbortSignal) =>
    connectPostgres(
      { host: surroundings.socketDirectory, port: surroundings.port, applicationName: "holdfast-report" },
      signal,
    );

  async function askRole(signal: AbortSignal): Promise<void> {
    askedAt = performance.now();
    try {
      const session = await connect(signal);
      try {
        const [row] = await session.query(
          `SELECT pg_is_in_recovery() AS standby,
             CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END AS current,
             CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END AS replayed`,
          { timeoutMs: 3_000, signal },
        );
        const { current, replayed } = row ?? {};
        role = {
          role: row?.["standby"] === "t" ? "replica" : "primary",
          ...(current != null && { currentLSN: current }),
          ...(replayed != null && { replayedLSN: replayed }),
        };
      } finally {
        await session.close();
      }
    } catch {
      role = {}; // PostgreSQL starts, stops or is being restored: its role is not known
    }
  }

  async function describe(signal: AbortSignal): Promise<InstanceEntry> {
    if (restore() === undefined && performance.now() - askedAt > roleEveryMs) await askRole(signal);
    const { lastArchived, lastFailure, failures, ready, gaps, warning } = archiving();
    const isFailing = lastFailure !== undefined && (lastArchived === undefined || lastFailure.at > lastArchived.at);
    // With walStorage it is a link to a volume of its own.
    const disk = await statfs(join(surroundings.pgdata, "pg_wal")).catch(() => undefined);
    const running = backup();
    const restoring = restore();
    return {
      ...role,
      ...(lastArchived && { lastArchivedWal: lastArchived.name, lastArchivedTime: lastArchived.at.toISOString() }),
      ...(isFailing && { archiveError: lastFailure.error.message }),
      archiveFailures: failures,
      ...(ready !== undefined && { readyFiles: ready }),
      ...(warning !== undefined && { archiveWarning: warning }),
      ...(gaps.length > 0 && {
        gaps: gaps.map(({ segment, repositories, at }) => ({
          segment,
          repositories: [...repositories],
          at: at.toISOString(),
        })),
      }),
      ...(disk && { freeBytes: disk.bavail * disk.bsize }),
      ...(running && { backup: running }),
      ...(restoring && { restore: restoring }),
    };
  }

  /** Closes the segment that holds the LSN if this is the primary and it is still open. */
  async function switchWal(after: bigint, signal: AbortSignal): Promise<void> {
    const session = await connect(signal);
    try {
      const [standby] = await session.query("SELECT pg_is_in_recovery() AS standby", { timeoutMs: 3_000, signal });
      if (standby?.["standby"] !== "f") return;
      const [row] = await session.query(
        `SELECT CASE WHEN pg_walfile_name(pg_current_wal_insert_lsn()) <= pg_walfile_name($1::pg_lsn)
           THEN pg_switch_wal()::text END AS switched`,
        { parameters: [formatLsn(after)], timeoutMs: 10_000, signal },
      );
      switchedAfter = after;
      if (row?.["switched"] != null) logger.info({ lsn: row["switched"] }, "switched WAL for a backup on a standby");
    } finally {
      await session.close();
    }
  }

  async function follow({ switchWalAfter, cancelBackup: cancelled }: Wishes, signal: AbortSignal): Promise<void> {
    if (cancelled !== undefined) cancelBackup(cancelled);
    const after = switchWalAfter === undefined ? undefined : parseLsn(switchWalAfter);
    if (after !== undefined && (switchedAfter === undefined || after > switchedAfter)) await switchWal(after, signal);
  }

  return { describe, follow };
}
