// Puts a finished file at its destination in one step: complete and durable under its name, or not there at all.
import { randomBytes } from "node:crypto";
import { copyFile, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Our unfinished files beside a destination in pg_wal, where PostgreSQL ignores them. */
const temporaryName = /\.holdfast-[0-9a-f]{12}(\.repository-[\d-]+)?$/;

/** `fill` makes the file at the path it is given, mode 0600. On failure nothing is left, also not what `fill` made. */
export async function placeFile(
  destination: string,
  fill: (temporaryPath: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const temporaryPath = join(
    dirname(destination),
    `${basename(destination)}.holdfast-${randomBytes(6).toString("hex")}`,
  );
  try {
    await fill(temporaryPath);
    await syncFile(temporaryPath);
    signal.throwIfAborted();
    await rename(temporaryPath, destination);
  } catch (error) {
    await rm(temporaryPath, { force: true });
    throw error;
  }
}

/** Moves a file to a path that may be on another device. */
export async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
    await copyFile(from, to);
    await rm(from);
  }
}

/** Removes what a process that was killed has left beside earlier destinations in this directory. */
export async function removeLeftovers(directory: string): Promise<void> {
  const names = await readdir(directory);
  const leftovers = names.filter((name) => temporaryName.test(name));
  await Promise.all(leftovers.map((name) => rm(join(directory, name), { force: true })));
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}
