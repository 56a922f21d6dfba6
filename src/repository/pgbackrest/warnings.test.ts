import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { remarksOff, withoutRemarks } from "./warnings.ts";

const remarks =
  "P00   WARN: environment contains invalid option 'one'\nP00   WARN: environment contains invalid option 'two'\n";
const strip = async (bytes: Buffer, size: number): Promise<Buffer> => {
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
  return await buffer(Readable.from(pieces).pipe(remarksOff()));
};

describe("remarks of pgbackrest before its answer", () => {
  it.each([
    ["bytes without a newline", Buffer.from([0x16, 0xd1, 0, 1, 2, 3])],
    ["bytes with newlines", Buffer.concat([Buffer.from("\x1f\x8b\n\n"), Buffer.alloc(10_000, 7)])],
    ["a short text", Buffer.from("1\t0/3000000\tno reason\n")],
    ["a text that begins like one", Buffer.from("P00 is how it begins\n")],
    ["nothing", Buffer.alloc(0)],
  ])("are taken off %s, whatever pieces it comes in", async (_name, content) => {
    for (const size of [1, 7, 64, 1_000_000]) {
      expect(await strip(Buffer.concat([Buffer.from(remarks), content]), size)).toEqual(content);
      expect(await strip(content, size)).toEqual(content);
    }
    expect(withoutRemarks(remarks + content.toString("latin1"))).toBe(content.toString("latin1"));
  });
});
