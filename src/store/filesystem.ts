// A store in a directory, for tests and the contract suite: no server, the same semantics. The bytes of an object lie in
// data/, and a small file in entries/ names them and keeps the metadata: putting that file in place, by rename or (if
// absent) by link, is the one atomic step. Not for production: a listing reads every entry.
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { ListPage, PageOptions, PartUpload, StoreDriver } from "./driver.ts";
import { isStoreError, StoreError } from "./errors.ts";
import { createStore, defaultPolicy, type StorePolicy } from "./retry.ts";
import type {
  CallOptions,
  GetOptions,
  ListEntry,
  ObjectContent,
  ObjectHead,
  ObjectStore,
  PutOptions,
} from "./store.ts";

const pageEntries = 1000;

interface Piece {
  /** Name in data/. */
  readonly file: string;
  readonly bytes: number;
}

interface Entry {
  readonly key: string;
  readonly pieces: readonly Piece[];
  readonly lastModified: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** `root` must exist, as a bucket must. Keys are bounded by the length of a file name. */
export const openFilesystemStore = (root: string, policy: StorePolicy = defaultPolicy): ObjectStore =>
  createStore(createFilesystemDriver(root), policy);

export const createFilesystemDriver = (root: string): StoreDriver => ({
  location: `file://${root}`,
  conditionalPut: true,
  put: (key, body, options) =>
    translating(root, `put ${key}`, async () => {
      const piece = await writePiece(root, body, options);
      await commit(root, entryOf(key, [piece], options), options);
    }),
  beginUpload: (key, options) =>
    translating(root, `begin upload of ${key}`, async () => beginUpload(root, key, options)),
  get: (key, options) => translating(root, `get ${key}`, () => get(root, key, options)),
  head: (key, options) =>
    translating(root, `head ${key}`, async () => {
      const entry = await findEntry(root, key, options);
      return entry && headOf(entry);
    }),
  listPage: (prefix, options) => translating(root, `list ${prefix}`, () => listPage(root, prefix, options)),
  delete: (keys, options) =>
    translating(root, `delete ${keys.length} objects`, async () => {
      for (const key of keys) await removeEntry(root, key, options);
    }),
  close: () => undefined,
});

const entryPath = (root: string, key: string): string => join(root, "entries", `${encodeURIComponent(key)}.json`);
const dataPath = (root: string, file: string): string => join(root, "data", file);

const entryOf = (key: string, pieces: readonly Piece[], { metadata = {}, tags = {} }: PutOptions): Entry => ({
  key,
  pieces,
  lastModified: new Date().toISOString(),
  metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name.toLowerCase(), value])),
  tags,
});

const sizeOf = ({ pieces }: Entry): number => pieces.reduce((sum, { bytes }) => sum + bytes, 0);

const headOf = (entry: Entry): ObjectHead => ({
  key: entry.key,
  size: sizeOf(entry),
  lastModified: new Date(entry.lastModified),
  metadata: entry.metadata,
});

const isSystemError = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

async function translating<T>(root: string, doing: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (isStoreError(error) || !(error instanceof Error) || !("syscall" in error)) throw error;
    const isMissing = isSystemError(error, "ENOENT");
    throw new StoreError(isMissing ? "NoSuchBucket" : "Unavailable", `${doing} in ${root}: ${error.message}`, {
      cause: error,
    });
  }
}

/** Writes a file in full and to disk, or leaves none. */
async function writeDurably(path: string, content: Uint8Array, { signal }: CallOptions): Promise<void> {
  signal.throwIfAborted();
  await using file = await open(path, "wx");
  try {
    await file.writeFile(content, { signal });
    await file.sync();
    signal.throwIfAborted();
  } catch (error) {
    await rm(path, { force: true });
    signal.throwIfAborted();
    throw error;
  }
}

async function writePiece(root: string, body: Uint8Array, options: CallOptions): Promise<Piece> {
  const file = randomUUID();
  for (const folder of ["data", "entries"]) await mkdirIfAbsent(join(root, folder));
  await writeDurably(dataPath(root, file), body, options);
  return { file, bytes: body.byteLength };
}

/** Not recursive: a store whose root is missing must stay missing. */
async function mkdirIfAbsent(path: string): Promise<void> {
  await mkdir(path).catch((error: unknown) => {
    if (!isSystemError(error, "EEXIST")) throw error;
  });
}

async function removePieces(root: string, pieces: readonly Piece[]): Promise<void> {
  for (const { file } of pieces) await rm(dataPath(root, file), { force: true });
}

async function commit(root: string, entry: Entry, options: PutOptions): Promise<void> {
  const path = entryPath(root, entry.key);
  const temporary = dataPath(root, randomUUID());
  try {
    await writeDurably(temporary, Buffer.from(JSON.stringify(entry)), options);
    const replaced = options.ifAbsent === true ? undefined : await findEntry(root, entry.key, options);
    await (options.ifAbsent === true ? link(temporary, path) : rename(temporary, path));
    await removePieces(root, replaced?.pieces ?? []);
  } catch (error) {
    await removePieces(root, entry.pieces);
    if (!isSystemError(error, "EEXIST")) throw error;
    throw new StoreError("AlreadyExists", `put ${entry.key} in ${root}: the object is there already`, { cause: error });
  } finally {
    await rm(temporary, { force: true });
  }
}

function beginUpload(root: string, key: string, options: PutOptions): PartUpload {
  const parts = new Map<number, Piece>();
  const inOrder = (): Piece[] => [...parts].sort(([one], [other]) => one - other).map(([, piece]) => piece);
  return {
    putPart: async (number, body, call) => {
      parts.set(number, await translating(root, `put part ${number} of ${key}`, () => writePiece(root, body, call)));
    },
    complete: (call) =>
      translating(root, `complete upload of ${key}`, () =>
        commit(root, entryOf(key, inOrder(), options), { ...options, ...call }),
      ),
    abort: async () => removePieces(root, inOrder()),
  };
}

async function findEntry(root: string, key: string, { signal }: CallOptions): Promise<Entry | undefined> {
  signal.throwIfAborted();
  try {
    return JSON.parse(await readFile(entryPath(root, key), { encoding: "utf8", signal })) as Entry;
  } catch (error) {
    signal.throwIfAborted();
    if (!isSystemError(error, "ENOENT")) throw error;
    // Throws when the whole store is missing.
    await readdir(root);
    return undefined;
  }
}

async function removeEntry(root: string, key: string, options: CallOptions): Promise<void> {
  const entry = await findEntry(root, key, options);
  if (entry === undefined) return;
  await rm(entryPath(root, key), { force: true });
  await removePieces(root, entry.pieces);
}

async function get(root: string, key: string, { range, signal }: GetOptions): Promise<ObjectContent> {
  const entry = await findEntry(root, key, { signal });
  if (entry === undefined) throw new StoreError("NotFound", `get ${key} in ${root}: no such object`);
  const size = sizeOf(entry);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  if (range !== undefined && start >= size)
    throw new StoreError("Corrupt", `get ${key} in ${root}: it ends before ${start}`);
  const body = Readable.from(readPieces(root, entry, { start, end: Math.min(end, size - 1) }), { objectMode: false });
  const onAbort = (): void => void body.destroy(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  body.once("close", () => signal.removeEventListener("abort", onAbort));
  return { ...headOf(entry), body };
}

async function* readPieces(
  root: string,
  { key, pieces }: Entry,
  wanted: { readonly start: number; readonly end: number },
): AsyncIterable<Buffer> {
  let offset = 0;
  for (const { file, bytes } of pieces) {
    const start = Math.max(0, wanted.start - offset);
    const end = Math.min(bytes - 1, wanted.end - offset);
    offset += bytes;
    if (start > end) continue;
    let missing = end - start + 1;
    for await (const chunk of createReadStream(dataPath(root, file), { start, end })) {
      missing -= (chunk as Buffer).length;
      yield chunk as Buffer;
    }
    if (missing > 0) throw new StoreError("Corrupt", `get ${key} in ${root}: ${missing} bytes are missing`);
  }
}

const compareBytes = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

async function listPage(root: string, prefix: string, options: PageOptions): Promise<ListPage> {
  options.signal.throwIfAborted();
  const after = options.from ?? options.startAfter ?? "";
  const names = await readdir(join(root, "entries")).catch(async (error: unknown) => {
    // Nothing was ever written, unless the whole store is missing: then this throws.
    if (isSystemError(error, "ENOENT")) return (await readdir(root)).filter(() => false);
    throw error;
  });
  const keys = names.map((name) => decodeURIComponent(name.slice(0, -".json".length))).sort(compareBytes);
  const found = new Map<string, string>();
  for (const key of keys) {
    if (!key.startsWith(prefix) || (options.startAfter !== undefined && compareBytes(key, options.startAfter) <= 0))
      continue;
    const name = rolledUp(key, prefix, options.delimiter);
    if (compareBytes(name, after) > 0 || (options.from === undefined && name !== key)) found.set(name, key);
  }
  const page = [...found].slice(0, pageEntries);
  const entries = await Promise.all(page.map(([name, key]) => listEntry(root, name, { key, ...options })));
  const last = page.at(-1)?.[0];
  const present = entries.filter((entry) => entry !== undefined);
  return found.size > page.length && last !== undefined ? { entries: present, next: last } : { entries: present };
}

/** The key itself, or with a delimiter the part of it up to the first one after the prefix. */
function rolledUp(key: string, prefix: string, delimiter: "/" | undefined): string {
  const cut = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
  return cut < 0 ? key : key.slice(0, cut + 1);
}

/** undefined when the object was removed meanwhile. */
async function listEntry(
  root: string,
  name: string,
  { key, signal }: CallOptions & { readonly key: string },
): Promise<ListEntry | undefined> {
  if (name !== key) return { kind: "prefix", prefix: name };
  const entry = await findEntry(root, key, { signal });
  return entry && { kind: "object", key, size: sizeOf(entry), lastModified: new Date(entry.lastModified) };
}
