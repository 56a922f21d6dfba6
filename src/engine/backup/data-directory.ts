// Walks a data directory in a fixed order and says what a base backup stores of it. Nothing is opened here, and only
// one directory's names are held at a time. A tablespace found on the way ends the walk: it is never stored in part.
import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { BackupError } from "./errors.ts";
import { isEmptied, isExcluded } from "./exclusions.ts";

export type DataEntry =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** Yields directories before their content, names in byte order; paths are relative to `pgdata`. */
export async function* walkDataDirectory(pgdata: string, signal: AbortSignal): AsyncGenerator<DataEntry> {
  yield { kind: "directory", path: "." };
  yield* walk(pgdata, "", signal);
}

async function* walk(pgdata: string, directory: string, signal: AbortSignal): AsyncGenerator<DataEntry> {
  for (const entry of await list(pgdata, directory)) {
    signal.throwIfAborted();
    const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
    if (directory === "pg_tblspc") throw tablespaceFound(entry.name);
    if (isEmptied(path)) {
      // pg_wal and log are often links to another volume; a restore decides anew where they are.
      if (entry.isDirectory() || entry.isSymbolicLink()) yield { kind: "directory", path };
    } else if (isExcluded(path)) {
      continue;
    } else if (entry.isDirectory()) {
      yield { kind: "directory", path };
      yield* walk(pgdata, path, signal);
    } else if (entry.isSymbolicLink()) {
      const target = await ifPresent(readlink(join(pgdata, path)), path);
      if (target !== undefined) yield { kind: "link", path, target };
    } else if (entry.isFile()) {
      yield { kind: "file", path };
    }
  }
}

/** The entries of a directory, none when it vanished since its parent was listed. */
async function list(pgdata: string, directory: string): ReturnType<typeof listNames> {
  const entries =
    directory === "" ? await listNames(pgdata) : await ifPresent(listNames(join(pgdata, directory)), directory);
  return (entries ?? []).sort((a, b) => (a.name < b.name ? -1 : 1));
}

const listNames = (directory: string) => readdir(directory, { withFileTypes: true });

async function ifPresent<T>(reading: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isNoEntry(error)) return undefined;
    throw new BackupError("DataDirectory", `cannot read ${path} of the data directory`, { cause: error });
  }
}

/** PostgreSQL removes relations and their directories at any moment of a backup. */
export const isNoEntry = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";

export const tablespaceFound = (name: string): BackupError =>
  new BackupError("Unsupported", `backing up tablespaces is not supported yet: the cluster has tablespace ${name}`, {
    hint: "Back this cluster up with the in-tree method, or move the tablespace's relations to pg_default and drop it.",
  });
