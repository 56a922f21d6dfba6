// Splits a watch stream into its JSON values, one a line, without ever holding more than one line.
const newline = 0x0a;

/** Yields each line without its end. Throws RangeError on a line longer than `bytesMax` and when the last one has no end. */
export async function* readLines(body: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString("utf8");
      parts = [];
      held = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    held += chunk.length - start;
    if (held > bytesMax) throw new RangeError(`a line is longer than ${bytesMax} bytes`);
  }
  if (held > 0) throw new RangeError("the stream ended in the middle of a line");
}
