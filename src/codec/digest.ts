// Digests of large buffers that never hold the event loop for more than about a millisecond. WebCrypto's digest copies
// its input first, which costs as much as the digest itself, so this hashes in short steps instead.
import { createHash } from "node:crypto";
import { setImmediate as yieldToOthers } from "node:timers/promises";
import { crc32 } from "node:zlib";

const stepBytes = 1024 * 1024;

/** SHA-256 in lower-case hexadecimal. `body` must not change before the promise settles. */
export async function sha256Hex(body: Uint8Array): Promise<string> {
  const hash = createHash("sha256");
  for (let offset = 0; offset < body.byteLength; offset += stepBytes) {
    if (offset > 0) await yieldToOthers();
    hash.update(body.subarray(offset, offset + stepBytes));
  }
  return hash.digest("hex");
}

/** CRC-32 (ISO-HDLC, as in gzip) of four big-endian bytes in base64: the form of S3's x-amz-checksum-crc32. */
export const crc32Base64 = (body: Uint8Array): string => crc32ToBase64(crc32(body));

export function crc32ToBase64(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString("base64");
}
