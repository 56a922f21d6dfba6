// Copies the data directory into the store while the server is in backup mode, and ends that mode at the right moment:
// after the last file and before the archive is completed, because the label is the archive's last member.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "#std/abort.ts";
import { parseBackupLabel } from "#postgres/backup-label.ts";
import type { Session } from "#postgres/connection.ts";
import { historyFileName } from "#postgres/segment.ts";
import { parseHistory, type HistoryEntry } from "#postgres/timeline.ts";
import { microsToDate } from "#postgres/timestamp.ts";
import { BackupError } from "./errors.ts";
import { backupMembers } from "./members.ts";
import { requiredWal, type Cut } from "./plan.ts";
import type { BackupAttempt, BackupPlace } from "./record.ts";
import { refusePromotion, stopBackup } from "./server.ts";
import { storeVolumes, type BackupCompression } from "./volumes.ts";

export interface CopyOptions {
  readonly place: BackupPlace;
  readonly session: Session;
  readonly pgdata: string;
  readonly compression: BackupCompression;
  readonly cut: Cut;
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** How often a standby is asked whether it still is one: a backup of hours should not learn of it at its end. */
const promotionCheckMs = 15_000;

/** Fills in everything that `attempt` lacks; rejects when the session ends or a standby is promoted meanwhile. */
export async function copyData(attempt: BackupAttempt, options: CopyOptions): Promise<void> {
  const { session } = options;
  const ended = new AbortController();
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, session.lost, failed.signal]);
  const watching = watchPromotion(attempt, session, AbortSignal.any([signal, ended.signal])).catch((error: unknown) => {
    if (!ended.signal.aborted) failed.abort(error);
  });
  try {
    attempt.storedBytes = await storeVolumes(membersOf(attempt, { ...options, signal }), {
      ...options.place,
      id: attempt.id,
      compression: options.compression,
      jobs: attempt.jobs,
      cut: options.cut,
      onVolume: (key) => attempt.volumes.push(key),
      signal,
    });
  } catch (error) {
    // Whatever broke off the transfer, this is why.
    signal.throwIfAborted();
    throw error;
  } finally {
    ended.abort();
    await watching;
  }
}

function membersOf(attempt: BackupAttempt, options: CopyOptions): ReturnType<typeof backupMembers> {
  return backupMembers({
    pgdata: options.pgdata,
    modifiedAt: microsToDate(attempt.start.startedAt),
    stop: async () => {
      attempt.stop = await stopBackup(options.session, attempt.facts, options.signal);
      await noteWal(attempt, options);
      return attempt.stop.label;
    },
    onBytes: (bytes) => {
      attempt.bytesDone += bytes;
      options.onBytes(bytes);
    },
    signal: options.signal,
  });
}

/** Works out which WAL the backup needs, from its label and its end. */
async function noteWal(attempt: BackupAttempt, { pgdata, signal }: CopyOptions): Promise<void> {
  const { facts, start, stop } = attempt;
  const label = parseBackupLabel(stop?.label ?? "");
  if (stop === undefined || label?.startTimeline === undefined) {
    throw new BackupError("Database", "postgresql gave a backup label that cannot be read");
  }
  const endTimeline = stop.endTimeline ?? label.startTimeline;
  const wal = requiredWal({
    beginLsn: start.beginLsn,
    beginTimeline: label.startTimeline,
    endLsn: stop.endLsn,
    endTimeline,
    segmentBytes: facts.segmentBytes,
    history: endTimeline === label.startTimeline ? [] : await readHistory(pgdata, endTimeline, signal),
  });
  if (wal === undefined) {
    throw new BackupError("Database", `timeline ${endTimeline} does not descend from ${label.startTimeline}`);
  }
  attempt.beginTimeline = label.startTimeline;
  attempt.wal = wal;
}

/** A standby that followed its primary's failover has the new timeline's history in its own pg_wal. */
async function readHistory(pgdata: string, timeline: number, signal: AbortSignal): Promise<readonly HistoryEntry[]> {
  const name = historyFileName(timeline);
  const text = await readFile(join(pgdata, "pg_wal", name), { encoding: "utf8", signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw new BackupError("DataDirectory", `cannot read pg_wal/${name} of the data directory`, { cause: error });
  });
  const history = parseHistory(text);
  if (history === undefined) throw new BackupError("DataDirectory", `pg_wal/${name} of the data directory is damaged`);
  return history;
}

/** Runs until its signal aborts; rejects with BackupError "Promoted". */
async function watchPromotion({ facts }: BackupAttempt, session: Session, signal: AbortSignal): Promise<void> {
  if (!facts.standby) return;
  for (;;) {
    await delay(promotionCheckMs, signal);
    await refusePromotion(session, facts, signal);
  }
}
