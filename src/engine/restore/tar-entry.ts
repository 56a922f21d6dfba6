// Reads tar headers: POSIX ustar, PAX records and the GNU forms, which are all that Python's tarfile writes. Paths are
// made relative and checked here, so that no entry can name anything outside the directory it is extracted to. Pure.
import { RestoreError } from "./errors.ts";

export const tarBlockBytes = 512;

export interface TarEntry {
  readonly kind: "file" | "directory" | "link";
  /** Relative, without "./" or a final slash; "" is the extracted directory itself. */
  readonly path: string;
  readonly size: number;
  readonly target?: string;
}

/** What a header block stands for: an entry, or the meta data of the entry after it with a body of `size` bytes. */
export type TarBlock =
  | { readonly kind: "end" }
  | { readonly kind: "meta"; readonly type: "pax" | "paxGlobal" | "gnuPath" | "gnuTarget"; readonly size: number }
  | {
      readonly kind: "entry";
      readonly type: TarEntry["kind"];
      readonly path: string;
      readonly target: string;
      readonly size: number;
    };

/** What records before an entry say of it, in place of its own header. */
export interface TarOverrides {
  readonly path?: string;
  readonly target?: string;
  readonly size?: number;
}

const metaTypes: ReadonlyMap<string, "pax" | "paxGlobal" | "gnuPath" | "gnuTarget"> = new Map([
  ["x", "pax"],
  ["g", "paxGlobal"],
  ["L", "gnuPath"],
  ["K", "gnuTarget"],
]);
const entryTypes: ReadonlyMap<string, TarEntry["kind"]> = new Map([
  ["0", "file"],
  ["\0", "file"],
  ["7", "file"],
  ["5", "directory"],
  ["2", "link"],
]);

/** Reads a header block; throws RestoreError "Corrupt" or, for devices and hard links, "Unsupported". */
export function parseTarBlock(block: Buffer): TarBlock {
  if (block.every((byte) => byte === 0)) return { kind: "end" };
  if (checksum(block) !== readNumber(block, 148, 8)) throw corrupt("a header has a wrong checksum");
  const flag = block.toString("latin1", 156, 157);
  const size = readNumber(block, 124, 12);
  const meta = metaTypes.get(flag);
  if (meta !== undefined) return { kind: "meta", type: meta, size };
  const type = entryTypes.get(flag);
  const path = readPath(block);
  if (type === undefined) throw unsupportedType(path, flag);
  return { kind: "entry", type, path, target: readText(block, 157, 100), size: type === "file" ? size : 0 };
}

/** Joins a header and what was said before it; throws RestoreError "Corrupt" for a path that leads out. */
export function finishEntry(block: Extract<TarBlock, { kind: "entry" }>, overrides: TarOverrides): TarEntry {
  const path = safePath(overrides.path ?? block.path);
  const size = block.type === "file" ? (overrides.size ?? block.size) : 0;
  const target = overrides.target ?? block.target;
  return block.type === "link" ? { kind: "link", path, size, target } : { kind: block.type, path, size };
}

/** Reads the body of a meta data block. */
export function parseOverrides(type: Extract<TarBlock, { kind: "meta" }>["type"], body: Buffer): TarOverrides {
  if (type === "pax") return parsePax(body);
  const text = readText(body, 0, body.length);
  if (type === "gnuPath") return { path: text };
  return type === "gnuTarget" ? { target: text } : {};
}

/** PAX records: "<length> <key>=<value>\n", the length counting the whole record in bytes. */
function parsePax(body: Buffer): TarOverrides {
  const values = new Map<string, string>();
  for (let offset = 0; offset < body.length;) {
    const space = body.indexOf(" ", offset);
    const length = space < 0 ? Number.NaN : Number(body.toString("latin1", offset, space));
    const end = offset + length;
    if (!Number.isInteger(length) || length < 5 || end > body.length) throw corrupt("a pax record has a wrong length");
    const [, key = "", value = ""] = /^([^=]*)=(.*)\n$/s.exec(body.toString("utf8", space + 1, end)) ?? [];
    values.set(key, value);
    offset = end;
  }
  const path = values.get("path");
  const target = values.get("linkpath");
  const size = values.get("size");
  if (size !== undefined && !/^\d{1,15}$/.test(size)) throw corrupt("a pax record has a wrong size");
  return {
    ...(path === undefined ? {} : { path }),
    ...(target === undefined ? {} : { target }),
    ...(size === undefined ? {} : { size: Number(size) }),
  };
}

function safePath(path: string): string {
  const parts = path.split("/").filter((part, index) => part !== "." && !(part === "" && index > 0));
  if (path.startsWith("/") || path.includes("\0") || parts.includes("..")) {
    throw corrupt(`a member's path leads out of the data directory: ${JSON.stringify(path)}`);
  }
  return parts.join("/");
}

/** ustar splits long paths in two; GNU archives use the second field for other things. */
function readPath(block: Buffer): string {
  const name = readText(block, 0, 100);
  const posix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = posix ? readText(block, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

const readText = (block: Buffer, at: number, length: number): string =>
  block.toString("utf8", at, at + length).replace(/\0.*$/s, "");

/** Octal digits, or with the first bit set a big-endian binary number (GNU). */
function readNumber(block: Buffer, at: number, length: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) {
    const number = block.readUIntBE(at + length - 6, 6);
    if (block.subarray(at + 1, at + length - 6).some((byte) => byte !== 0)) throw corrupt("a number is too large");
    return number;
  }
  const digits = block
    .toString("latin1", at, at + length)
    .replace(/[\0 ].*$/s, "")
    .trim();
  if (!/^[0-7]*$/.test(digits)) throw corrupt("a header has a field that is no number");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** The sum of all bytes, those of the checksum itself counted as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let index = 0; index < tarBlockBytes; index++) {
    if (index < 148 || index >= 156) sum += block[index] ?? 0;
  }
  return sum;
}

const corrupt = (message: string): RestoreError =>
  new RestoreError("Corrupt", `the backup's archive is damaged: ${message}`);

const unsupportedType = (path: string, flag: string): RestoreError =>
  new RestoreError(
    "Unsupported",
    `the backup's archive holds ${path}, which is of an unknown type (${JSON.stringify(flag)})`,
  );
