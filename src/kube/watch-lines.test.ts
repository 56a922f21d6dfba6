import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readLines } from "./watch-lines.ts";

async function* chunks(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function linesOf(text: string, sizes: readonly number[], bytesMax = 1000): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of readLines(chunks(Buffer.from(text), sizes), bytesMax)) lines.push(line);
  return lines;
}

describe("readLines", () => {
  it("finds the same lines however the stream is cut, also inside a character", async () => {
    const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\n", " "));
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(line), sizes, async (lines, cuts) => {
        expect(await linesOf(lines.map((text) => `${text}\n`).join(""), cuts, 10_000)).toEqual(lines);
      }),
    );
  });

  it("refuses a line that is too long before it is complete", async () => {
    await expect(linesOf("x".repeat(2000), [100])).rejects.toThrow("longer than 1000 bytes");
  });

  it("does not take a stream that broke off for one that ended", async () => {
    await expect(linesOf("{}\n{", [3])).rejects.toThrow("in the middle of a line");
  });
});
