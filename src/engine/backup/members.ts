// The members of a base backup's archive in their order: the data directory, the control file after everything else,
// and the label, which exists only once PostgreSQL was told that the copy has ended.
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "#std/abort.ts";
import { parseControlData } from "#postgres/control.ts";
import { PostgresFileError } from "#postgres/errors.ts";
import { isNoEntry, walkDataDirectory, type DataEntry } from "./data-directory.ts";
import { BackupError } from "./errors.ts";
import { controlFilePath } from "./exclusions.ts";
import type { TarHeader } from "./tar-header.ts";
import type { TarMember } from "./tar.ts";

export interface MemberOptions {
  readonly pgdata: string;
  /** Modification time of every member, so that nothing depends on the clock of the copy. */
  readonly modifiedAt: Date;
  /** Ends the backup at the server; resolves to the text of backup_label. Called once, after the last file. */
  readonly stop: () => Promise<string>;
  /** Told of the body bytes read from the data directory. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** How many files are opened ahead: clusters have many small ones, and opening one costs more than reading it. */
const openAhead = 8;
/** Files up to this size are read as a whole when they are opened. */
const readAheadBytes = 64 * 1024;

export async function* backupMembers(options: MemberOptions): AsyncGenerator<TarMember, void, undefined> {
  yield* openInOrder(walkDataDirectory(options.pgdata, options.signal), options);
  yield made(controlFilePath, await readControlContent(options), options);
  yield made("backup_label", Buffer.from(await options.stop(), "utf8"), options);
}

/** Opens entries ahead of their turn and yields them in order; a file that vanished is left out. */
async function* openInOrder(
  entries: AsyncIterable<DataEntry>,
  options: MemberOptions,
): AsyncGenerator<TarMember, void, undefined> {
  const opening: Promise<TarMember | undefined>[] = [];
  try {
    for await (const entry of entries) {
      const member = openMember(entry, options);
      // A failure is met when its turn comes; until then it must not count as unhandled.
      member.catch(() => {});
      opening.push(member);
      if (opening.length >= openAhead) yield* present(await opening.shift());
    }
    while (opening.length > 0) yield* present(await opening.shift());
  } finally {
    for (const left of await Promise.allSettled(opening)) {
      if (left.status === "fulfilled") await left.value?.close();
    }
  }
}

const present = (member: TarMember | undefined): readonly TarMember[] => (member === undefined ? [] : [member]);

async function openMember(entry: DataEntry, options: MemberOptions): Promise<TarMember | undefined> {
  if (entry.kind !== "file") return emptyMember(entry, options);
  let file: FileHandle | undefined;
  try {
    file = await open(join(options.pgdata, entry.path), "r");
    const { size } = await file.stat();
    if (size > readAheadBytes) return fileMember(file, header(entry, size, options), options);
    const content = await readSmall(file, size);
    options.onBytes(content.length);
    return bufferMember(header(entry, size, options), content);
  } catch (error) {
    await file?.close();
    if (isNoEntry(error)) return undefined;
    throw unreadable(entry.path, error);
  }
}

function fileMember(file: FileHandle, header: TarHeader, options: MemberOptions): TarMember {
  let position = 0;
  return {
    header,
    read: async (target) => {
      options.signal.throwIfAborted();
      const { bytesRead } = await file.read(target, 0, target.length, position).catch((error: unknown) => {
        throw unreadable(header.path, error);
      });
      position += bytesRead;
      options.onBytes(bytesRead);
      return bytesRead;
    },
    close: async () => await file.close(),
  };
}

/** The first `size` bytes, or fewer when the file became shorter; closes the file. */
async function readSmall(file: FileHandle, size: number): Promise<Buffer> {
  const content = Buffer.allocUnsafeSlow(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(content, length, size - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  await file.close();
  return content.subarray(0, length);
}

function emptyMember(entry: DataEntry, options: MemberOptions): TarMember {
  return { header: header(entry, 0, options), read: async () => 0, close: async () => {} };
}

const made = (path: string, content: Buffer, options: MemberOptions): TarMember =>
  bufferMember(header({ kind: "file", path }, content.length, options), content);

function bufferMember(header: TarHeader, content: Buffer): TarMember {
  let position = 0;
  return {
    header,
    read: async (target) => {
      const bytes = content.copy(target, 0, position);
      position += bytes;
      return bytes;
    },
    close: async () => {},
  };
}

function header(entry: DataEntry, size: number, { modifiedAt }: MemberOptions): TarHeader {
  const common = { path: entry.path, size, modifiedAt: Math.floor(modifiedAt.getTime() / 1000) };
  return entry.kind === "link" ? { ...common, kind: "link", target: entry.target } : { ...common, kind: entry.kind };
}

/**
 * The control file as a whole: PostgreSQL may write it while it is read, and a torn copy is found out by its checksum
 * only. A restored cluster with a torn control file does not start.
 */
async function readControlContent({ pgdata, signal, onBytes }: MemberOptions): Promise<Buffer> {
  for (let attempt = 1; ; attempt++) {
    const content = await readWhole(join(pgdata, controlFilePath));
    try {
      parseControlData(content);
      onBytes(content.length);
      return content;
    } catch (error) {
      const torn = error instanceof PostgresFileError && error.kind === "Damaged";
      if (!torn || attempt === 20) throw unreadable(controlFilePath, error);
    }
    await delay(10, signal);
  }
}

async function readWhole(path: string): Promise<Buffer> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw unreadable(controlFilePath, error);
  });
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

const unreadable = (path: string, cause: unknown): BackupError => {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new BackupError("DataDirectory", `cannot read ${path} of the data directory: ${text}`, { cause });
};
