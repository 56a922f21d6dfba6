// Restores one backup of a stanza into a data directory by pgBackRest. Which backup, and how far to replay, is decided
// elsewhere: here only files are brought back, without any setting of a recovery, since CNPG writes those itself.
import type { Logger } from "#observe/logger.ts";
import type { TargetTimeline } from "#postgres/recovery-target.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { RestoreError } from "../restore/errors.ts";
import { requireSpace, type RestoreTarget } from "../restore/target.ts";
import { toRestoreError } from "./errors.ts";
import { readManifest, type Tablespace } from "./manifest.ts";
import { parseFileProgress, type Progress } from "./progress.ts";
import { completeStanzaTarget, prepareStanzaTarget, type StanzaRestoreTarget } from "./restore-target.ts";

export interface StanzaRestoreOptions extends RestoreTarget {
  readonly pgbackrest: Pgbackrest;
  readonly backup: { readonly label: string; readonly repository: number; readonly sizeBytes?: number | undefined };
  /** That replay will follow. */
  readonly timeline: TargetTimeline;
  /** Names of the tablespaces that the new Cluster has volumes for. */
  readonly tablespaces: readonly string[];
  /** Called before anything is written, with what is to be cleaned when the restore is given up. */
  readonly onPrepared: (target: StanzaRestoreTarget) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A restore takes as long as it takes; what ends it is its caller, and pgBackRest's own limits on silence. */
const restoreDeadlineMs = 2 ** 31 - 1;
/** For what grows at start: WAL of recovery itself, configuration, the file system's own needs. */
const spaceReserveBytes = 64 * 1024 * 1024;
const progressEveryMs = 500;

/**
 * Throws RestoreError; when its cause has `transient`, another call goes on with the files that this
 * one has written. The caller removes them when it gives up: cleanStanzaTarget.
 */
export async function runStanzaRestore(options: StanzaRestoreOptions): Promise<void> {
  const { pgbackrest, backup, logger, signal } = options;
  try {
    const { tablespaces, isSettingsFileReadOnly } = await readManifest(pgbackrest, backup, signal);
    requireVolumes(backup.label, tablespaces, options.tablespaces);
    const { pgdata, walDirectory } = options;
    const target = {
      pgdata,
      ...(walDirectory !== undefined && { walDirectory }),
      tablespaces: tablespaces.map(({ path }) => path),
    };
    const preparation = await prepareStanzaTarget(target);
    options.onPrepared(target);
    // How much of the whole goes to which volume is told nowhere.
    if (preparation === "fresh" && tablespaces.length === 0)
      await requireSpace(target, (backup.sizeBytes ?? 0) + spaceReserveBytes);
    if (preparation === "resume")
      logger.info({ backup: backup.label }, "an earlier try left files: they are compared instead of copied");
    await pgbackrest.run("restore", {
      options: [
        `--set=${backup.label}`,
        `--type=${isSettingsFileReadOnly ? "preserve" : typeFor(options.timeline)}`,
        preparation === "resume" ? "--delta" : "--no-delta",
        "--log-level-console=detail",
      ],
      repository: backup.repository,
      deadlineMs: restoreDeadlineMs,
      onLine: followRestore(options),
      signal,
    });
    const removed = await completeStanzaTarget(target);
    if (removed.length > 0) logger.info({ removed }, "settings of an earlier recovery were removed");
  } catch (error) {
    throw toRestoreError(error, backup.label, signal);
  }
}

/**
 * "none" writes no setting of a recovery and no signal file; but from 2.55 on it insists on the newest timeline of the
 * archive, as PostgreSQL does when told nothing else. "immediate" looks at no timeline, and what it writes goes at the end.
 * Both write postgresql.auto.conf; where that cannot be, "preserve" leaves it out: a file that ALTER SYSTEM could not write
 * holds no setting of a user's.
 */
const typeFor = (timeline: TargetTimeline): string => (timeline === "latest" ? "none" : "immediate");

/** pgBackRest restores a tablespace to where it was; CNPG's paths hold its name, so that is a volume of the new Cluster. */
function requireVolumes(label: string, tablespaces: readonly Tablespace[], declared: readonly string[]): void {
  const lacking = tablespaces.filter(({ name }) => !declared.includes(name)).map(({ name }) => name);
  if (lacking.length === 0) return;
  const message = `backup ${label} holds tablespaces that the cluster does not have: ${lacking.join(", ")}`;
  throw new RestoreError("Unsupported", message, { hint: "declare them in spec.tablespaces, under the same names" });
}

function followRestore({ backup, onProgress, logger }: StanzaRestoreOptions): (line: string) => void {
  let toldAt = -Infinity;
  return (line) => {
    const file = parseFileProgress(line);
    if (file === undefined) {
      if (/^P\d+ +WARN:/.test(line)) logger.warn({ backup: backup.label, said: line }, "pgbackrest warns");
      return;
    }
    const now = performance.now();
    if (backup.sizeBytes === undefined || now - toldAt < progressEveryMs) return;
    toldAt = now;
    onProgress?.({ bytesDone: Math.round((backup.sizeBytes * file.percent) / 100), bytesTotal: backup.sizeBytes });
  };
}
