// The compressions of stored files, by name and by file name extension. They work on libuv's thread pool, never on the
// event loop. What barman-cloud can write and we cannot read yet is known here, so that it is refused by name.
import { PassThrough, type Duplex } from "node:stream";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { CodecError } from "./errors.ts";

export const walCompressionNames = ["none", "gzip", "zstd"] as const;
export type WalCompressionName = (typeof walCompressionNames)[number];

export interface WalCompression {
  readonly name: WalCompressionName;
  /** What barman-cloud 3.19 appends to the file's name, with its dot; "" for none. */
  readonly extension: "" | ".gz" | ".zst";
  /**
   * The whole of `body` as one gzip member or zstd frame; with "none" the same bytes, not copied. `body` must not change
   * before the promise settles. Rejects with the signal's reason when that has aborted.
   */
  compress(body: Uint8Array, signal: AbortSignal): Promise<Buffer>;
  /** Reads what `compress`, or any other program, wrote; the stream fails with CodecError "Corrupt". */
  decompressStream(): Duplex;
}

/** Level and memory of gzip: on WAL, level 6 takes four times as long for 7 % less, memory level 8 a sixth longer. */
export const gzipSettings = { level: 1, memLevel: 9 } as const;
/** zstd levels 1 and 2 measure nearly the same; 3 takes two thirds longer for at most a quarter less. */
const zstdLevel = 1;
/**
 * Output is handed over in pieces of this size. Node's default of 16 KiB means a round trip to the thread pool for each,
 * which costs more than the decompression itself.
 */
const chunkBytes = 1024 * 1024;

const gzip = promisify(zlib.gzip as (body: Uint8Array, options: zlib.ZlibOptions, done: Done) => void);
const zstdCompress = promisify(zlib.zstdCompress as (body: Uint8Array, options: zlib.ZstdOptions, done: Done) => void);
type Done = (error: Error | null, result: Buffer) => void;

export const walCompressions: Readonly<Record<WalCompressionName, WalCompression>> = {
  none: {
    name: "none",
    extension: "",
    compress: async (body, signal) => {
      signal.throwIfAborted();
      return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    },
    decompressStream: () => new PassThrough(),
  },
  gzip: {
    name: "gzip",
    extension: ".gz",
    compress: (body, signal) => unlessAborted(signal, () => gzip(body, { ...gzipSettings, chunkSize: chunkBytes })),
    decompressStream: () => namingDamage(zlib.createGunzip({ chunkSize: chunkBytes }), "gzip"),
  },
  zstd: {
    name: "zstd",
    extension: ".zst",
    compress: (body, signal) => unlessAborted(signal, () => zstdCompress(body, zstdOptions(body.byteLength))),
    decompressStream: () => namingDamage(zlib.createZstdDecompress({ chunkSize: chunkBytes }), "zstd"),
  },
};

/** What barman-cloud also writes, by extension. */
const unsupportedExtensions: Readonly<Record<string, string>> = {
  ".bz2": "bzip2",
  ".xz": "xz",
  ".snappy": "snappy",
  ".lz4": "lz4",
};

/** A name of the API's compression field, or "none". Throws CodecError "Unsupported" for one that cannot be written yet. */
export function compressionByName(name: string): WalCompression {
  const found = walCompressionNames.find((known) => known === name);
  if (found === undefined) throw unsupported(name);
  return walCompressions[found];
}

export const extensionOf = (name: WalCompressionName): WalCompression["extension"] => walCompressions[name].extension;

/** An extension with its dot, or "". Throws CodecError "Unsupported" for one of barman's that cannot be read yet. */
export function byExtension(extension: string): WalCompression {
  const found = walCompressionNames.find((name) => walCompressions[name].extension === extension);
  if (found === undefined) throw unsupported(unsupportedExtensions[extension] ?? extension);
  return walCompressions[found];
}

const unsupported = (what: string): CodecError =>
  new CodecError("Unsupported", `not supported yet: compression ${what}`, {
    hint: `use one of ${walCompressionNames.join(", ")}`,
  });

/** The frame carries its length, so that a reader can allocate once. */
const zstdOptions = (bytes: number): zlib.ZstdOptions => ({
  chunkSize: chunkBytes,
  pledgedSrcSize: bytes,
  params: { [zlib.constants.ZSTD_c_compressionLevel]: zstdLevel },
});

async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const result = await work();
  signal.throwIfAborted();
  return result;
}

/** Node's streams destroy themselves with an error of zlib or zstd; here that becomes the error of this layer. */
function namingDamage(stream: zlib.Gunzip | zlib.ZstdDecompress, format: string): Duplex {
  const destroy = stream.destroy.bind(stream);
  stream.destroy = (error) => destroy(error && toCodecError(error, format));
  return stream;
}

/** zlib's codes begin with Z_, those of zstd with ZSTD_ (node:zlib). Anything else is not about the data. */
function toCodecError(error: Error, format: string): Error {
  const code = "code" in error ? String(error.code) : "";
  if (!/^(Z|ZSTD)_/.test(code)) return error;
  return new CodecError("Corrupt", `reading ${format} failed: ${error.message}`, { cause: error });
}
