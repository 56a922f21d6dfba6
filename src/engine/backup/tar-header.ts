// Headers of tar archives: POSIX ustar, with a PAX record before it for what ustar cannot say (paths over 100 bytes or
// outside ASCII, sizes from 8 GiB on). Everything but path, size and time is fixed, so that two backups of the same
// files are the same bytes. Format: POSIX.1-2017, pax, "ustar Interchange Format". Pure.

export const tarBlockBytes = 512;

export type TarEntryKind = "file" | "directory" | "link";

export interface TarHeader {
  readonly kind: TarEntryKind;
  /** Relative to the data directory, without a leading "./"; the data directory itself is ".". */
  readonly path: string;
  /** Bytes of the body; 0 for anything but a file. */
  readonly size: number;
  /** Whole seconds since 1970. */
  readonly modifiedAt: number;
  /** Where a link points. */
  readonly target?: string;
}

/** The largest number that 11 octal digits hold, plus one. */
const ustarSizeLimit = 8 ** 11;
const typeFlags = { file: "0", directory: "5", link: "2" } as const;
const modes = { file: 0o600, directory: 0o700, link: 0o777 } as const;

/** CNPG runs PostgreSQL as uid and gid 26, and extracting as another user ignores owners. */
const owner = { id: 26, name: "postgres" } as const;

/** The header blocks of one entry, a multiple of 512 bytes; the body and its padding follow. */
export function encodeTarHeader(header: TarHeader): Buffer {
  const path = header.kind === "directory" ? `${header.path}/` : header.path;
  const records = paxRecords({ ...header, path });
  const fitted = { ...header, path, size: header.size < ustarSizeLimit ? header.size : 0 };
  const block = ustarBlock(fitted, typeFlags[header.kind], modes[header.kind]);
  if (records.length === 0) return block;
  const paxHeader: TarHeader = { kind: "file", path: "././@PaxHeader", size: records.length, modifiedAt: 0 };
  return Buffer.concat([ustarBlock(paxHeader, "x", 0), records, Buffer.alloc(tarPaddingBytes(records.length)), block]);
}

/** Zero bytes that follow a body so that the next header starts on a block. */
export const tarPaddingBytes = (size: number): number => (tarBlockBytes - (size % tarBlockBytes)) % tarBlockBytes;

/** Two empty blocks end an archive. */
export const tarEndBytes = 2 * tarBlockBytes;

function paxRecords(header: TarHeader): Buffer {
  const records: string[] = [];
  if (!fitsField(header.path)) records.push(paxRecord("path", header.path));
  if (header.target !== undefined && !fitsField(header.target)) records.push(paxRecord("linkpath", header.target));
  if (header.size >= ustarSizeLimit) records.push(paxRecord("size", String(header.size)));
  return Buffer.from(records.join(""), "utf8");
}

/** "<length> <key>=<value>\n", where the length counts the whole record and thus its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  const guess = bytes + String(bytes).length;
  return `${bytes + String(guess).length}${rest}`;
}

const fitsField = (text: string): boolean => text.length <= 100 && /^[\x20-\x7e]*$/.test(text);

function ustarBlock(header: TarHeader, typeFlag: string, mode: number): Buffer {
  const block = Buffer.alloc(tarBlockBytes);
  block.write(header.path, 0, 100, "utf8");
  writeOctal(block, mode, { at: 100, digits: 7 });
  writeOctal(block, owner.id, { at: 108, digits: 7 });
  writeOctal(block, owner.id, { at: 116, digits: 7 });
  writeOctal(block, header.size, { at: 124, digits: 11 });
  writeOctal(block, header.modifiedAt, { at: 136, digits: 11 });
  block.fill(" ", 148, 156);
  block.write(typeFlag, 156, "latin1");
  block.write(header.target ?? "", 157, 100, "utf8");
  block.write("ustar\x0000", 257, "latin1");
  block.write(owner.name, 265, "latin1");
  block.write(owner.name, 297, "latin1");
  // The checksum counts its own eight bytes as spaces: six digits, a zero byte, a space.
  let sum = 0;
  for (const byte of block) sum += byte;
  writeOctal(block, sum, { at: 148, digits: 6 });
  return block;
}

/** Writes zero-padded octal digits and a zero byte after them. */
function writeOctal(block: Buffer, value: number, field: { readonly at: number; readonly digits: number }): void {
  block.write(value.toString(8).padStart(field.digits, "0"), field.at, field.digits, "latin1");
  block[field.at + field.digits] = 0;
}
