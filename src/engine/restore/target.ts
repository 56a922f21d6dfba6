// The directory that a restore fills: made ready, made durable, or cleaned. A mark in it tells a directory that this
// restore (or an earlier try that was killed) made from one that belongs to somebody else, which is never touched.
import { chmod, lstat, mkdir, open, readdir, rm, statfs, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RestoreError } from "./errors.ts";
import { controlFilePath, unwritable } from "./untar.ts";

export interface RestoreTarget {
  readonly pgdata: string;
  /** The directory of its own that the WAL goes to; pg_wal becomes a link to it. */
  readonly walDirectory?: string;
}

const markName = ".holdfast-restore";
/** How many files are flushed at once; the file system joins their journal commits. */
const syncParallel = 8;

/** Makes the directories ready; throws RestoreError "NotEmpty" for content that no restore of ours left. */
export async function prepareTarget(target: RestoreTarget, backupId: string): Promise<void> {
  await refuseForeignContent(target);
  await cleanTarget(target);
  await makeDirectory(target.pgdata);
  await writing(markName, writeFile(join(target.pgdata, markName), `${backupId}\n`, { mode: 0o600, flag: "wx" }));
  const wal = join(target.pgdata, "pg_wal");
  if (target.walDirectory === undefined) {
    await makeDirectory(wal);
  } else {
    await makeDirectory(target.walDirectory);
    await writing("pg_wal", symlink(target.walDirectory, wal));
  }
  await makeDirectory(join(wal, "archive_status"));
}

/** Empties the directories of a restore that failed, so that the next try finds room; the directories stay. */
export async function cleanTarget(target: RestoreTarget): Promise<void> {
  // The mark goes last: a cleaning that is interrupted can be taken up again.
  for (const name of (await namesIn(target.pgdata)).filter((name) => name !== markName)) {
    await writing(name, rm(join(target.pgdata, name), { recursive: true, force: true }));
  }
  if (target.walDirectory !== undefined) {
    for (const name of await namesIn(target.walDirectory)) {
      await writing(name, rm(join(target.walDirectory, name), { recursive: true, force: true }));
    }
  }
  await writing(markName, rm(join(target.pgdata, markName), { force: true }));
}

/**
 * Makes what was extracted durable and only then writes the control file, without which nobody takes the directory for
 * a cluster. Files are flushed at the end and beside each other, not one by one as they are written: most are on the
 * disk by then, and flushing thousands of small ones costs a journal commit each otherwise.
 */
export async function completeTarget(target: RestoreTarget, control: Buffer, signal: AbortSignal): Promise<void> {
  await syncTree(target.pgdata, signal);
  if (target.walDirectory !== undefined) await syncTree(target.walDirectory, signal);
  signal.throwIfAborted();
  const path = join(target.pgdata, controlFilePath);
  await writing(controlFilePath, writeFile(path, control, { mode: 0o600, flag: "wx", flush: true }));
  await writing(controlFilePath, syncPath(dirname(path)));
  await writing(markName, rm(join(target.pgdata, markName)));
  await writing(".", syncPath(target.pgdata));
}

/** Throws RestoreError "NoSpace" when the file system cannot hold `bytes` more. */
export async function requireSpace({ pgdata }: RestoreTarget, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(await nearestExisting(pgdata), { bigint: true });
  const free = bavail * bsize;
  if (free >= BigInt(bytes)) return;
  throw new RestoreError("NoSpace", `the volume of ${pgdata} has ${free} bytes free, the backup needs ${bytes}`, {
    hint: "Give the new cluster a larger storage.size.",
  });
}

async function refuseForeignContent({ pgdata, walDirectory }: RestoreTarget): Promise<void> {
  const names = await namesIn(pgdata);
  if (names.includes(markName)) return;
  if (names.length > 0) throw notEmpty(pgdata, names);
  const walNames = walDirectory === undefined ? [] : await namesIn(walDirectory);
  if (walDirectory !== undefined && walNames.length > 0) throw notEmpty(walDirectory, walNames);
}

const notEmpty = (directory: string, names: readonly string[]): RestoreError =>
  new RestoreError("NotEmpty", `${directory} is not empty: it holds ${names.slice(0, 3).join(", ")}`, {
    hint: "A restore never replaces data; remove it, or restore to an empty volume.",
  });

/** The names in a directory; none when it does not exist. */
async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isNoEntry(error)) return [];
    throw new RestoreError("DataDirectory", `cannot read ${directory}`, { cause: error });
  }
}

/** PostgreSQL starts only on a data directory of mode 0700 (or 0750). */
async function makeDirectory(path: string): Promise<void> {
  await writing(path, mkdir(path, { recursive: true, mode: 0o700 }));
  await writing(path, chmod(path, 0o700));
}

/** Flushes every file and directory below and including `directory`; links are not followed. */
async function syncTree(directory: string, signal: AbortSignal): Promise<void> {
  const waiting = treePaths(directory);
  const worker = async (): Promise<void> => {
    for (let next = await waiting.next(); next.done !== true; next = await waiting.next()) {
      signal.throwIfAborted();
      await writing(next.value, syncPath(next.value));
    }
  };
  try {
    await Promise.all(Array.from({ length: syncParallel }, worker));
  } finally {
    await waiting.return();
  }
}

async function* treePaths(directory: string): AsyncGenerator<string, void, undefined> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* treePaths(path);
    else if (entry.isFile()) yield path;
  }
  yield directory;
}

/** Puts a file, or the names in a folder, on the disk. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function nearestExisting(path: string): Promise<string> {
  for (let candidate = path; ; candidate = dirname(candidate)) {
    const found = await lstat(candidate).then(
      () => true,
      () => false,
    );
    if (found || dirname(candidate) === candidate) return candidate;
  }
}

async function writing<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw unwritable(path, error);
  }
}

const isNoEntry = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT";
