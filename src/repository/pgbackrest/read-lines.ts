// The lines of a program's output as they come. A line may be of any length, as the names of a listing or the last words of
// a crash are: more than a bound is not kept, and what follows it is read on. (node:readline keeps a line until it ends.)
import type { Readable } from "node:stream";

/** In characters. */
const lineMaxUsual = 64 * 1024;

export async function readLines(
  stream: Readable,
  onLine: (line: string) => void,
  lineMax: number = lineMaxUsual,
): Promise<void> {
  // Characters that come in two pieces are put together.
  stream.setEncoding("utf8");
  let open = "";
  for await (const chunk of stream as AsyncIterable<string>) {
    let from = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", from)) {
      onLine(cut(open + chunk.slice(from, Math.min(end, from + lineMax)), lineMax));
      open = "";
      from = end + 1;
    }
    if (open.length < lineMax) open = (open + chunk.slice(from, from + lineMax)).slice(0, lineMax);
  }
  if (open !== "") onLine(cut(open, lineMax));
}

const cut = (line: string, lineMax: number): string => line.slice(0, lineMax).replace(/\r$/, "");
