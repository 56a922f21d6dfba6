import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byExtension, compressionByName, extensionOf, walCompressionNames, walCompressions } from "./compression.ts";
import { CodecError } from "./errors.ts";

const signal = new AbortController().signal;

async function decompress(name: (typeof walCompressionNames)[number], stored: Uint8Array): Promise<Buffer> {
  const parts: Buffer[] = [];
  await pipeline(Readable.from([stored]), walCompressions[name].decompressStream(), async (source) => {
    for await (const part of source) parts.push(part);
  });
  return Buffer.concat(parts);
}

describe.each(walCompressionNames)("compression %s", (name) => {
  it("gives back what was put in, whatever it is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.nat(200), async (piece, times) => {
        const body = Buffer.concat(Array.from({ length: times }, () => piece));
        const stored = await walCompressions[name].compress(body, signal);
        expect((await decompress(name, stored)).equals(body)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it("does nothing once the signal has aborted", async () => {
    const reason = new Error("enough");
    await expect(walCompressions[name].compress(Buffer.alloc(10), AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it("is found by its name and by its extension", () => {
    expect(compressionByName(name)).toBe(walCompressions[name]);
    expect(byExtension(extensionOf(name))).toBe(walCompressions[name]);
  });
});

describe.each(["gzip", "zstd"] as const)("a damaged %s file", (name) => {
  const body = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * index) % 251));

  it("is an error when it is cut short", async () => {
    const stored = await walCompressions[name].compress(body, signal);
    for (const length of [0, 3, stored.length >> 1, stored.length - 1]) {
      await expect(decompress(name, stored.subarray(0, length))).rejects.toMatchObject({
        name: "CodecError",
        kind: "Corrupt",
      });
    }
  });

  it("is an error when it is another format", async () => {
    await expect(decompress(name, Buffer.from("neither of the two"))).rejects.toMatchObject({
      name: "CodecError",
      kind: "Corrupt",
    });
  });
});

describe("compressions of others", () => {
  it.each([
    [".bz2", "bzip2"],
    [".xz", "xz"],
    [".snappy", "snappy"],
    [".lz4", "lz4"],
  ])("refuses %s by its name", (extension, name) => {
    expect(() => byExtension(extension)).toThrow(`not supported yet: compression ${name}`);
    expect(() => compressionByName(name)).toThrow(CodecError);
  });

  it("refuses an extension that nobody writes", () => {
    expect(() => byExtension(".zip")).toThrow(CodecError);
  });
});
