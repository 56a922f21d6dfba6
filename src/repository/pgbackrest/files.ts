// The files of one repository of a stanza: listed and read by pgBackRest itself, which knows every kind of storage, and
// decrypts what it reads with the keys that are in the repository (pgBackRest: src/command/repo/{ls,get}.c).
import type { Readable } from "node:stream";
import type { CallOptions } from "#store/store.ts";
import { RepositoryError } from "../errors.ts";
import { isPgbackrestError } from "./errors.ts";
import { readOptions } from "./info.ts";
import type { Pgbackrest, RunOptions } from "./pgbackrest.ts";
import { repositoryError } from "./repository-state.ts";
import { isRemark, remarksOff, withoutRemarks } from "./warnings.ts";

export interface RepositoryFile {
  readonly name: string;
  /** As stored. */
  readonly bytes: number;
  readonly storedAt: Date;
}

export interface ListOptions extends CallOptions {
  /** Extended regular expression over the names. */
  readonly filter?: string;
}

/** Every call throws StoreError when the repository does not answer. A path that is not there is an empty one. */
export interface RepositoryFiles {
  /** pgBackRest's number of it. */
  readonly key: number;
  readonly stanza: string;
  /** The folders of the stanza's databases in the archive, when something has told of them already. */
  readonly archiveIds: readonly string[] | undefined;
  /** Not the folders in it. */
  list(path: string, options: ListOptions): Promise<readonly RepositoryFile[]>;
  /** Names alone, one after the other; with `recurse`, those below the path's folders too, as "folder/name". */
  names(
    path: string,
    options: ListOptions & { readonly recurse?: boolean; readonly onName: (name: string) => void },
  ): Promise<void>;
  /** Hands a file's bytes to `consume`, and settles as that does; undefined when there is no such file. */
  read<T>(path: string, consume: (body: Readable) => Promise<T>, options: CallOptions): Promise<T | undefined>;
}

const listDeadlineMsDefault = 30_000;
const readDeadlineMs = 120_000;

export interface FilesOptions {
  /** For each listing: 30 s unless told. */
  readonly listDeadlineMs?: number | undefined;
  /** The folders of the stanza's databases in the archive, when something has told of them already. */
  readonly archiveIds?: readonly string[] | undefined;
}

export function openFiles(
  pgbackrest: Pgbackrest,
  key: number,
  { listDeadlineMs = listDeadlineMsDefault, archiveIds }: FilesOptions = {},
): RepositoryFiles {
  const { stanza } = pgbackrest.config;
  const call = (command: string, options: Omit<RunOptions, "repository">) =>
    callRepository(pgbackrest, key, command, options);
  const filtered = ({ filter }: ListOptions): readonly string[] => (filter === undefined ? [] : [`--filter=${filter}`]);
  return {
    key,
    stanza,
    archiveIds,
    async list(path, options) {
      const { stdout } = await call("repo-ls", {
        options: ["--output=json", ...filtered(options)],
        parameters: [path],
        deadlineMs: listDeadlineMs,
        signal: options.signal,
      });
      return parseListing(withoutRemarks(stdout), path);
    },
    async names(path, { recurse = false, onName, ...options }) {
      await call("repo-ls", {
        options: ["--output=text", ...(recurse ? ["--recurse"] : []), ...filtered(options)],
        parameters: [path],
        deadlineMs: listDeadlineMs,
        signal: options.signal,
        onLine: (line) => {
          if (!isRemark(line)) onName(line);
        },
      });
    },
    async read(path, consume, { signal }) {
      const body = remarksOff();
      const [run, read] = await Promise.allSettled([
        call("repo-get", {
          options: ["--ignore-missing"],
          parameters: [path],
          deadlineMs: readDeadlineMs,
          answers: [fileMissing],
          output: body,
          signal,
        }),
        consume(body).finally(() => body.destroy()),
      ]);
      if (run.status === "fulfilled" && run.value.code === fileMissing) return undefined;
      // What was read is judged only when all of it came; a reader that gives up ends the program, which then fails too.
      if (run.status === "rejected" && (read.status === "fulfilled" || isOfRepository(run.reason))) throw run.reason;
      if (read.status === "rejected") throw read.reason;
      return read.value;
    },
  };
}

const fileMissing = 1;
/** Of pgBackRest's answer, not of the reader's end of the pipe. */
const isOfRepository = (error: unknown): boolean => error instanceof Error && error.name === "StoreError";

/** Throws StoreError for whatever keeps the repository from answering; a wrong option stays PgbackrestError "Config". */
export async function callRepository(
  pgbackrest: Pgbackrest,
  key: number,
  command: string,
  { options = [], ...rest }: Omit<RunOptions, "repository">,
) {
  try {
    return await pgbackrest.run(command, {
      ...rest,
      options: [...options, ...readOptions(rest.deadlineMs)],
      repository: key,
    });
  } catch (error) {
    rest.signal.throwIfAborted();
    if (!isPgbackrestError(error) || error.kind === "Config") throw error;
    throw repositoryError({ stanza: pgbackrest.config.stanza, key }, error.message, error);
  }
}

interface ListedFile {
  readonly type?: unknown;
  readonly size?: unknown;
  readonly time?: unknown;
}

/** `{".":{"type":"path"},"name":{"type":"file","size":1,"time":2}}` */
function parseListing(text: string, path: string): readonly RepositoryFile[] {
  let listing: unknown;
  try {
    listing = JSON.parse(text);
  } catch (cause) {
    throw new RepositoryError("Damaged", `the listing of ${path} cannot be read`, { cause });
  }
  return Object.entries((listing ?? {}) as Readonly<Record<string, ListedFile>>).flatMap(([name, file]) => {
    if (file?.type !== "file") return [];
    const number = (value: unknown): number => (typeof value === "number" ? value : 0);
    return [{ name, bytes: number(file.size), storedAt: new Date(number(file.time) * 1000) }];
  });
}
