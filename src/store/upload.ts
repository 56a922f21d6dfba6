// Sends a body of unknown length in parts, several at once, and leaves nothing behind when that fails. Retries of single
// requests are the business of the PartUpload it is given.
import type { PartUpload } from "./driver.ts";

/** How long cleaning up may take after the caller's own signal has aborted. */
const abortMs = 15_000;

/**
 * Sends all parts and completes the upload. At most `parallel` parts are held; the next is asked for when one is done.
 * On any failure the others are cancelled, the parts' maker is ended and the upload removed, then the first failure is
 * thrown. Resolves to the number of bytes.
 */
export async function sendParts(
  upload: PartUpload,
  parts: AsyncIterable<Uint8Array>,
  options: { readonly parallel: number; readonly signal: AbortSignal },
): Promise<number> {
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const underWay = new Set<Promise<void>>();
  const send = (number: number, part: Uint8Array): void => {
    const sent = upload
      .putPart(number, part, { signal })
      .catch((error: unknown) => failure.abort(error))
      .finally(() => underWay.delete(sent));
    underWay.add(sent);
  };
  try {
    let bytes = 0;
    let number = 0;
    for await (const part of parts) {
      signal.throwIfAborted();
      bytes += part.byteLength;
      send(++number, part);
      if (underWay.size >= options.parallel) await Promise.race(underWay);
      signal.throwIfAborted();
    }
    // A provider does not complete an upload without parts.
    if (number === 0) send(1, new Uint8Array());
    await Promise.all(underWay);
    signal.throwIfAborted();
    await upload.complete({ signal });
    return bytes;
  } catch (error) {
    failure.abort(error);
    await Promise.all(underWay);
    await removeQuietly(upload);
    throw error;
  }
}

/** The failure that led here is what the caller must hear of; a lifecycle rule of the bucket removes what this cannot. */
async function removeQuietly(upload: PartUpload): Promise<void> {
  await upload.abort({ signal: AbortSignal.timeout(abortMs) }).catch(() => undefined);
}
