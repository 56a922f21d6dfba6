// The bytes of a unary gRPC call: message framing, message text in trailers, the timeout header. No sockets here.
// gRPC: doc/PROTOCOL-HTTP2.md.
import { RpcError } from "./status-code.ts";

const prefixBytes = 5;

/** One length-prefixed, uncompressed message. */
export function encodeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.byteLength);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.byteLength, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** Collects the one message of a unary request from chunks of any size. Throws RpcError; useless after a throw. */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  #received = 0;
  #expected: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    this.#expected ??= this.#readPrefix();
    if (this.#expected !== undefined && this.#received > prefixBytes + this.#expected) {
      throw new RpcError("INVALID_ARGUMENT", "a unary call takes one message, more bytes came");
    }
  }

  /** The message, once the request has ended. */
  end(): Buffer {
    if (this.#expected === undefined || this.#received < prefixBytes + this.#expected) {
      throw new RpcError("INVALID_ARGUMENT", "the request ended before its message was complete");
    }
    return Buffer.concat(this.#chunks, this.#received).subarray(prefixBytes);
  }

  #readPrefix(): number | undefined {
    if (this.#received < prefixBytes) return undefined;
    const prefix = Buffer.concat(this.#chunks).subarray(0, prefixBytes);
    if (prefix[0] !== 0) throw new RpcError("UNIMPLEMENTED", "compressed messages are not supported");
    const length = prefix.readUInt32BE(1);
    if (length > this.#maxBytes) {
      throw new RpcError(
        "RESOURCE_EXHAUSTED",
        `message of ${length} bytes is larger than the limit of ${this.#maxBytes}`,
      );
    }
    return length;
  }
}

/** Percent-encoding of grpc-message: UTF-8 bytes outside printable ASCII, and the percent sign itself. */
export const encodeMessageText = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/[^\u0020-\u0024\u0026-\u007e]+/g, (run) =>
      [...Buffer.from(run, "utf8")].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
    );

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a grpc-timeout header ("100m", "30S"), rounded up; undefined without a header. */
export function parseTimeout(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const match = /^(?<count>\d{1,8})(?<unit>[HMSmun])$/.exec(header);
  const unit = unitMs[match?.groups?.["unit"] ?? ""];
  if (unit === undefined) throw new RpcError("INVALID_ARGUMENT", "malformed grpc-timeout header");
  return Math.ceil(Number(match?.groups?.["count"]) * unit);
}
