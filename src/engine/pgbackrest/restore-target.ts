// The directories that pgBackRest restores into: whether it may, and what is still to do when it is through. What an earlier
// try left is known by what pgBackRest does last: it gives pg_control its name when all else is on the disk.
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exists } from "#std/exists.ts";
import { RestoreError } from "../restore/errors.ts";
import { cleanTarget, syncPath, type RestoreTarget } from "../restore/target.ts";
import { unwritable } from "../restore/untar.ts";
import { cleanRestoredSettings } from "./restored-settings.ts";

export interface StanzaRestoreTarget extends RestoreTarget {
  /** Folders of the backup's tablespaces. */
  readonly tablespaces: readonly string[];
}

/** "resume": an earlier try left files, which `--delta` compares with the backup instead of copying them. */
export type Preparation = "fresh" | "resume";

/** Throws RestoreError "NotEmpty" for content that no unfinished restore left. */
export async function prepareStanzaTarget(target: StanzaRestoreTarget): Promise<Preparation> {
  const { pgdata, walDirectory } = target;
  const names = await namesIn(pgdata);
  if (await isUnfinished(pgdata, names)) return "resume";
  if (names.length > 0 && (await holdsFiles(pgdata))) throw notEmpty(pgdata, names);
  const walNames = walDirectory === undefined ? [] : await namesIn(walDirectory);
  if (walDirectory !== undefined && walNames.length > 0) throw notEmpty(walDirectory, walNames);
  // Tablespaces without the data directory that knows them are what is left of a try whose PGDATA CNPG has removed.
  await cleanStanzaTarget(target);
  await writing(pgdata, mkdir(pgdata, { recursive: true, mode: 0o700 }));
  return "fresh";
}

const temporary = ".pgbackrest.tmp";

/** The manifest is there while files are copied; when it goes, pg_control is still called otherwise. */
async function isUnfinished(pgdata: string, names: readonly string[]): Promise<boolean> {
  const control = join(pgdata, "global", "pg_control");
  if (names.length === 0 || (await exists(control))) return false;
  return names.includes("backup.manifest") || (names.includes("PG_VERSION") && (await exists(control + temporary)));
}

/** Empties what a restore that failed has filled; the directories themselves stay, because they may be volumes. */
export async function cleanStanzaTarget(target: StanzaRestoreTarget): Promise<void> {
  for (const tablespace of target.tablespaces)
    for (const name of await namesIn(tablespace))
      if (name.startsWith("PG_")) await writing(tablespace, rm(join(tablespace, name), { recursive: true }));
  await cleanTarget(target);
}

/**
 * Leaves the directory as CNPG expects it: no signal file and no setting of a recovery, and pg_wal where its volume is.
 * Resolves to the names of settings that were removed.
 */
export async function completeStanzaTarget(target: StanzaRestoreTarget): Promise<readonly string[]> {
  const { pgdata, walDirectory } = target;
  for (const name of ["recovery.signal", "standby.signal"])
    await writing(name, rm(join(pgdata, name), { force: true }));
  const removed = await cleanSettings(join(pgdata, "postgresql.auto.conf"));
  if (walDirectory !== undefined) await linkWal(join(pgdata, "pg_wal"), walDirectory);
  await writing(pgdata, syncPath(pgdata));
  return removed;
}

async function cleanSettings(path: string): Promise<readonly string[]> {
  const before = await readFile(path, "utf8").catch(() => undefined);
  const { text, removed } = cleanRestoredSettings(before ?? "");
  if (text === before) return removed;
  const made = `${path}.holdfast`;
  await writing(path, writeFile(made, text, { mode: 0o600, flush: true }));
  await writing(path, rename(made, path));
  return removed;
}

/** A backup holds no WAL, only the folder for it and for its state. */
async function linkWal(pgWal: string, walDirectory: string): Promise<void> {
  await writing(walDirectory, mkdir(join(walDirectory, "archive_status"), { recursive: true, mode: 0o700 }));
  await writing(pgWal, rm(pgWal, { recursive: true, force: true }));
  await writing(pgWal, symlink(walDirectory, pgWal));
  await writing(walDirectory, syncPath(walDirectory));
  await writing(walDirectory, syncPath(dirname(walDirectory)));
}

const notEmpty = (directory: string, names: readonly string[]): RestoreError =>
  new RestoreError("NotEmpty", `${directory} is not empty: it holds ${names.slice(0, 3).join(", ")}`, {
    hint: "A restore never replaces data; remove it, or restore to an empty volume.",
  });

/** pgBackRest makes all folders, and then the manifest, before the first file. */
async function holdsFiles(directory: string): Promise<boolean> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.some((entry) => entry.isFile() && !entry.name.endsWith(temporary));
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw new RestoreError("DataDirectory", `cannot read ${directory}`, { cause: error });
  }
}

async function writing<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw unwritable(path, error);
  }
}
