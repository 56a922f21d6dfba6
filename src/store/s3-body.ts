// The body of an answer, checked while it passes: a body that ends early, differs from its checksum or stays silent for
// too long fails the stream; it never just ends. Bytes are not copied.
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { crc32ToBase64 } from "#codec/digest.ts";
import { StoreError } from "./errors.ts";
import { toStoreError } from "./s3-errors.ts";

export interface ExpectedBody {
  /** "get s3://bucket/key", for messages. */
  readonly doing: string;
  readonly bytes: number;
  /** CRC-32 of the whole body in base64, where the provider keeps one. */
  readonly crc32?: string;
  /** The longest wait for more bytes; waits of the reader do not count. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

export function checkedBody(source: Readable, expected: ExpectedBody): Readable {
  const { doing, signal } = expected;
  let bytes = 0;
  let checksum = 0;
  let readerIsBusy = false;
  const silent = (): void => {
    if (!readerIsBusy)
      body.destroy(new StoreError("EndpointUnreachable", `${doing}: nothing more came for ${expected.idleMs} ms`));
  };
  const silence = setTimeout(silent, expected.idleMs);
  const onAbort = (): void => void body.destroy(signal.reason);
  const body = new Readable({
    highWaterMark: 1024 * 1024,
    read: () => {
      readerIsBusy = false;
      silence.refresh();
      source.resume();
    },
    destroy: (error, done) => {
      clearTimeout(silence);
      signal.removeEventListener("abort", onAbort);
      source.destroy();
      done(error);
    },
  });
  source.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (expected.crc32 !== undefined) checksum = crc32(chunk, checksum);
    silence.refresh();
    if (body.push(chunk)) return;
    readerIsBusy = true;
    source.pause();
  });
  source.on("end", () => {
    const wrong = differs({ bytes, checksum }, expected);
    if (wrong === undefined) body.push(null);
    else body.destroy(wrong);
  });
  source.on("error", (error) => body.destroy(toStoreError(error, doing)));
  source.on("close", () => {
    if (!source.readableEnded) body.destroy(toStoreError(connectionLost(), doing));
  });
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return body;
}

function differs(
  seen: { readonly bytes: number; readonly checksum: number },
  { doing, bytes, crc32 }: ExpectedBody,
): StoreError | undefined {
  if (seen.bytes !== bytes) return new StoreError("Corrupt", `${doing}: got ${seen.bytes} of ${bytes} bytes`);
  if (crc32 === undefined || crc32ToBase64(seen.checksum) === crc32) return undefined;
  return new StoreError("Corrupt", `${doing}: the body does not match its checksum`);
}

const connectionLost = (): Error =>
  Object.assign(new Error("the connection closed before the end of the body"), { code: "ECONNRESET" });
