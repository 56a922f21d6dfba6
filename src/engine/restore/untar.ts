// Extracts the archives of a base backup into a data directory, ours and barman-cloud's alike. Every file and directory
// is made new here and links are never written through, so no member can reach outside. The control file is held back:
// whoever calls writes it when everything else is durable, so that a half-restored directory never looks like a whole.
import { constants } from "node:fs";
import { mkdir, open, symlink, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RestoreError } from "./errors.ts";
import type { TarEntry } from "./tar-entry.ts";
import { readTar, type TarMemberBody } from "./tar-reader.ts";
import { WriteQueue } from "./write-queue.ts";

export interface ExtractOptions {
  /** Told of the bytes written. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

export const controlFilePath = "global/pg_control";
const labelPath = "backup_label";
/** PostgreSQL's control file has 8 KiB. */
const controlBytesMax = 64 * 1024;
/** Files up to this size are written by one task; larger ones piece by piece. */
const smallFileBytes = 1024 * 1024;
const limits = { tasks: 16, bytes: 16 * 1024 * 1024 } as const;

export class Extractor {
  readonly #pgdata: string;
  readonly #options: ExtractOptions;
  readonly #queue = new WriteQueue(limits);
  /** Directories made here; a member's parent must be one of them, so a link can never be one. */
  readonly #directories = new Set<string>([""]);
  #control: Buffer | undefined;
  #hasLabel = false;
  #files = 0;

  /** `pgdata` exists and is empty but for what the caller put there (pg_wal). */
  constructor(pgdata: string, options: ExtractOptions) {
    this.#pgdata = pgdata;
    this.#options = options;
  }

  get files(): number {
    return this.#files;
  }

  /**
   * Extracts one archive; several of them make a backup. When this throws, nothing is being written any more. A chunk's
   * memory may be used again once the next chunk is asked for: all writes out of it have ended by then.
   */
  async extract(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const beforeNext = (): Promise<void> => this.#queue.drain();
    try {
      for await (const member of readTar(chunks, { beforeNext })) {
        this.#options.signal.throwIfAborted();
        await this.#place(member);
      }
    } catch (error) {
      await this.#queue.drain().catch(() => {});
      throw error;
    }
    await this.#queue.drain();
  }

  /** The control file's content; throws RestoreError "Corrupt" when the archives were no whole backup. */
  finish(): Buffer {
    if (!this.#hasLabel) throw new RestoreError("Corrupt", `the backup holds no ${labelPath}`);
    if (this.#control === undefined) throw new RestoreError("Corrupt", `the backup holds no ${controlFilePath}`);
    return this.#control;
  }

  async #place({ entry, body }: TarMemberBody): Promise<void> {
    const { path } = entry;
    // Where the WAL goes was decided by the caller; archives hold pg_wal empty, or as a link of the old cluster.
    if (path === "" || path === "pg_wal" || path.startsWith("pg_wal/")) return;
    if (path.startsWith("pg_tblspc/")) throw tablespaceFound(path);
    if (path === controlFilePath) {
      this.#control = await readControl(entry, body);
      return;
    }
    await this.#makeParents(path);
    if (entry.kind === "directory") await this.#makeDirectory(path);
    else if (entry.kind === "link") await this.#making(path, symlink(entry.target ?? "", join(this.#pgdata, path)));
    else await this.#writeFile(entry, body);
  }

  async #makeParents(path: string): Promise<void> {
    const parent = dirname(path) === "." ? "" : dirname(path);
    if (this.#directories.has(parent)) return;
    await this.#makeParents(parent);
    await this.#makeDirectory(parent);
  }

  async #makeDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.#making(path, mkdir(join(this.#pgdata, path), { mode: 0o700 }));
    this.#directories.add(path);
  }

  async #writeFile(entry: TarEntry, body: AsyncIterable<Buffer>): Promise<void> {
    this.#files++;
    if (entry.path === labelPath) this.#hasLabel = true;
    // Files are made one after the other: beside each other they would only wait for the lock of their directory.
    const file = await this.#making(entry.path, create(join(this.#pgdata, entry.path)));
    if (entry.size > smallFileBytes) await this.#writeLarge(file, entry.path, body);
    else await this.#writeSmall(file, entry, body);
  }

  async #writeSmall(file: FileHandle, { path, size }: TarEntry, body: AsyncIterable<Buffer>): Promise<void> {
    const content = await readWhole(body, size).catch(async (error: unknown) => {
      await file.close();
      throw error;
    });
    await this.#queue.add(size, async () => {
      await this.#making(path, writeAndClose(file, content));
      this.#options.onBytes(size);
    });
  }

  /** Writes to one file follow each other: beside each other they would only wait for the file's lock. */
  async #writeLarge(file: FileHandle, path: string, body: AsyncIterable<Buffer>): Promise<void> {
    let position = 0;
    let written = Promise.resolve();
    try {
      for await (const piece of body) {
        this.#options.signal.throwIfAborted();
        const [at, before] = [position, written];
        position += piece.length;
        const { ended } = await this.#queue.add(piece.length, async () => {
          await before;
          await this.#making(path, writePiece(file, piece, at));
          this.#options.onBytes(piece.length);
        });
        written = ended;
      }
    } finally {
      await written;
      await this.#making(path, file.close());
    }
  }

  async #making<T>(path: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw unwritable(path, error);
    }
  }
}

async function readControl(entry: TarEntry, body: AsyncIterable<Buffer>): Promise<Buffer> {
  if (entry.kind !== "file" || entry.size > controlBytesMax) {
    throw new RestoreError("Corrupt", `the backup's ${controlFilePath} is no control file`);
  }
  return Buffer.from(await readWhole(body, entry.size));
}

/** A view where the body lies in one chunk, else a copy. */
async function readWhole(body: AsyncIterable<Buffer>, size: number): Promise<Buffer> {
  let whole: Buffer | undefined;
  let length = 0;
  for await (const piece of body) {
    if (piece.length === size) return piece;
    whole ??= Buffer.allocUnsafeSlow(size);
    length += piece.copy(whole, length);
  }
  return whole ?? Buffer.alloc(0);
}

/** Never opens what is there already: two members of one path mean a damaged archive. */
const create = (path: string): Promise<FileHandle> =>
  open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);

async function writeAndClose(file: FileHandle, content: Buffer): Promise<void> {
  try {
    await writePiece(file, content, 0);
  } finally {
    await file.close();
  }
}

/** A disk that fills up takes a part first and fails the next write. */
async function writePiece(file: FileHandle, piece: Buffer, position: number): Promise<void> {
  for (let done = 0; done < piece.length;) {
    const { bytesWritten } = await file.write(piece, done, piece.length - done, position + done);
    done += bytesWritten;
  }
}

export function unwritable(path: string, cause: unknown): RestoreError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (code === "EEXIST") return new RestoreError("Corrupt", `the backup holds ${path} twice`, { cause });
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new RestoreError("NoSpace", `no space left while ${path} was written`, { cause });
  }
  return new RestoreError("DataDirectory", `cannot write ${path} of the data directory: ${text}`, { cause });
}

export const tablespaceFound = (name: string): RestoreError =>
  new RestoreError("Unsupported", `restoring tablespaces is not supported yet: the backup holds ${name}`);
