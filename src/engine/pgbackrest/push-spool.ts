// The spool of pgBackRest's asynchronous archiving, where its worker leaves one small file for each WAL file that it was
// through with: "<name>.ok" once that is in every repository, "<name>.error" when it is not, "global.error" when it could
// not even begin (pgBackRest: src/command/archive/common.c). Losing it loses no WAL.
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pgbackrestError, type PgbackrestError } from "#repository/pgbackrest/errors.ts";

export interface PushSpool {
  /** For pgBackRest's option spool-path. */
  readonly path: string;
  /** The folder of the worker's files. */
  readonly out: string;
  /** Makes the folder; throws what stands in the way. */
  open(): Promise<void>;
  /** What the worker has said of the file at `walPath`: stored, its failure, or nothing yet. */
  outcomeOf(walPath: string, name: string): Promise<true | PgbackrestError | undefined>;
  /** Whether every one of these is stored. */
  holdsAll(names: readonly string[]): Promise<boolean>;
  /** Before a worker starts: what an earlier one failed at is tried again. */
  forgetErrors(): Promise<void>;
  /** When "stored" has another meaning from now on: a repository was added, or the process before left it. */
  clear(): Promise<void>;
}

const bytesMax = 16 * 1024;
/** pgBackRest's own code for an error that names none. */
const unknownCode = 125;

export function openPushSpool(path: string, stanza: string): PushSpool {
  const out = join(path, "archive", stanza, "out");
  const names = (): Promise<string[]> => readdir(out).catch(() => []);

  async function isStored(walPath: string, name: string): Promise<boolean> {
    try {
      const [ok, wal] = await Promise.all([stat(join(out, `${name}.ok`)), stat(walPath)]);
      // A file that changed after it was stored is another one under the same name.
      if (ok.mtimeMs < wal.mtimeMs) return false;
      // A failure that somebody renamed by hand is none of ours: "0" is the code of success.
      return ok.size === 0 || (await readSmall(join(out, `${name}.ok`))).startsWith("0\n");
    } catch {
      return false;
    }
  }

  async function failure(file: string): Promise<PgbackrestError | undefined> {
    const content = await readSmall(join(out, file)).catch(() => undefined);
    if (content === undefined || content === "") return undefined;
    const [code, ...said] = content.split("\n");
    return pgbackrestError("archive-push", Number.parseInt(code ?? "", 10) || unknownCode, said.map(withoutProcess));
  }

  return {
    path,
    out,
    open: async () => void (await mkdir(out, { recursive: true, mode: 0o700 })),
    async outcomeOf(walPath, name) {
      if (await isStored(walPath, name)) return true;
      return (await failure(`${name}.error`)) ?? (await failure("global.error"));
    },
    async holdsAll(wanted) {
      const present = new Set(await names());
      return wanted.every((name) => present.has(`${name}.ok`));
    },
    async forgetErrors() {
      const errors = (await names()).filter((name) => name.endsWith(".error"));
      await Promise.all(errors.map((name) => rm(join(out, name), { force: true })));
    },
    clear: () => rm(out, { recursive: true, force: true }),
  };
}

const readSmall = async (file: string): Promise<string> => (await readFile(file)).toString("utf8", 0, bytesMax);

/** "raised from local-1 protocol: archive-push command encountered error(s):" */
const withoutProcess = (line: string): string => line.replace(/^raised from [\w-]+ protocol: /, "");
