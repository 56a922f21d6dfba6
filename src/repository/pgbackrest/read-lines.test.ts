import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { readLines } from "./read-lines.ts";

async function linesOf(pieces: Iterable<string | Buffer>, lineMax?: number): Promise<readonly string[]> {
  const lines: string[] = [];
  await readLines(Readable.from(pieces, { objectMode: false }), (line) => lines.push(line), lineMax);
  return lines;
}

it("gives each line, however it comes, also an empty one and one without an end", async () => {
  expect(await linesOf(["one\ntw", "o\n", "\n", "thr", "ee"])).toEqual(["one", "two", "", "three"]);
  expect(await linesOf([])).toEqual([]);
  const word = Buffer.from("née\n");
  expect(await linesOf([word.subarray(0, 2), word.subarray(2)])).toEqual(["née"]);
});

it("cuts a line that is too long, and reads on after it", async () => {
  expect(await linesOf(["12345678\nshort\n"], 4)).toEqual(["1234", "shor"]);
  expect(await linesOf(["12", "34", "56", "78\nab\n"], 4)).toEqual(["1234", "ab"]);
});

it("keeps no more of a line without an end than the bound", async () => {
  const piece = "x".repeat(64 * 1024);
  function* endless(): Generator<string> {
    for (let sent = 0; sent < 3_200; sent++) yield piece;
    yield "\nafter\n";
  }
  const before = process.memoryUsage().heapUsed;
  let most = 0;
  const lines: string[] = [];
  function* watched(): Generator<string> {
    for (const one of endless()) {
      most = Math.max(most, process.memoryUsage().heapUsed - before);
      yield one;
    }
  }
  await readLines(Readable.from(watched(), { objectMode: false }), (line) => lines.push(line));
  expect(lines.map(({ length }) => length)).toEqual([64 * 1024, 5]);
  // Twice as much has gone by.
  expect(most).toBeLessThan(100 * 1024 * 1024);
});
