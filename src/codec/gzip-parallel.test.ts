import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressGzip } from "./gzip-parallel.ts";

const signal = new AbortController().signal;
const block = 512 * 1024;

async function* pieces(body: Uint8Array, bytes: number): AsyncIterable<Uint8Array> {
  for (let offset = 0; offset < body.byteLength; offset += bytes) yield body.subarray(offset, offset + bytes);
}

async function compress(chunks: AsyncIterable<Uint8Array>, parallel = 3, level?: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of compressGzip(chunks, { parallel, signal, ...(level !== undefined && { level }) }))
    parts.push(part);
  return Buffer.concat(parts);
}

/** Half noise, half text that repeats over block borders. */
const sample = (bytes: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(bytes / 2000) }, (_, index) =>
      Buffer.concat([randomBytes(1000), Buffer.alloc(1000, `line ${index % 7} `)]),
    ),
  ).subarray(0, bytes);

/** Reads standard input with the programs that must understand it; prints length and SHA-1 of what they saw. */
const inPython = (stored: Buffer, code: string): string =>
  execFileSync(
    "python3",
    ["-c", `import sys,io,gzip,tarfile,hashlib\nstored=io.BytesIO(sys.stdin.buffer.read())\n${code}`],
    { input: stored, encoding: "utf8" },
  ).trim();

describe("parallel gzip", () => {
  it("is undone by zlib, whatever the input and however it is cut", async () => {
    const lengths = fc.oneof(fc.nat(4000), fc.constantFrom(0, block - 1, block, block + 1, 3 * block, 5 * block + 17));
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.integer({ min: 1000, max: 2_000_000 }),
        fc.integer({ min: 1, max: 5 }),
        async (length, cut, parallel) => {
          const body = sample(length);
          const stored = await compress(pieces(body, cut), parallel);
          expect(gunzipSync(stored).equals(body)).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("is one member for gunzip and for Python", async () => {
    const body = sample(4 * block + 99);
    const stored = await compress(pieces(body, 70_000));
    expect(execFileSync("gunzip", ["-c"], { input: stored, maxBuffer: 1e8 }).equals(body)).toBe(true);
    // zlib.decompressobj stops at the end of the first member: nothing may be left.
    const code =
      "import zlib\nd=zlib.decompressobj(31)\nn=len(d.decompress(stored.read()))\nprint(n,len(d.unused_data),d.eof)";
    expect(inPython(stored, code)).toBe(`${body.length} 0 True`);
    expect(inPython(stored, "print(len(gzip.decompress(stored.read())))")).toBe(String(body.length));
  });

  it("carries a tar that Python's tarfile reads as a stream", async () => {
    const tar = execFileSync("tar", ["-c", "-f", "-", "-C", import.meta.dirname, "."], { maxBuffer: 1e8 });
    const stored = await compress(pieces(Buffer.concat([tar]), 10_240));
    const code =
      'print(sum(1 for m in tarfile.open(fileobj=stored,mode="r|gz") if m.isfile() and m.name.endswith("gzip-parallel.ts")))';
    expect(inPython(stored, code)).toBe("1");
  });

  it("is about as small as one stream, because each block knows the one before", async () => {
    // Noise that comes back within the window: only what a block cannot look back to has to be stored again.
    const noise = randomBytes(20_000);
    const body = Buffer.concat(Array.from({ length: 200 }, () => noise));
    const [parallel, single] = [await compress(pieces(body, 65_536)), gzipSync(body, { level: 1 })];
    expect(parallel.length).toBeLessThan(single.length * 1.1);
  });

  it("lets the maker of the chunks reuse its buffer", async () => {
    const buffer = Buffer.alloc(100_000);
    async function* reused(): AsyncIterable<Uint8Array> {
      for (let turn = 0; turn < 20; turn++) yield buffer.fill(turn);
    }
    const back = gunzipSync(await compress(reused()));
    expect(Array.from({ length: 20 }, (_, turn) => back[turn * 100_000 + 99_999])).toEqual(
      Array.from({ length: 20 }, (_, turn) => turn),
    );
  });

  it("pulls no further ahead than its blocks in work", async () => {
    let pulled = 0;
    async function* counted(): AsyncIterable<Uint8Array> {
      for (let turn = 0; turn < 100; turn++) {
        pulled++;
        yield Buffer.alloc(block, turn);
      }
    }
    const output = compressGzip(counted(), { parallel: 2, signal })[Symbol.asyncIterator]();
    await output.next();
    await output.next();
    expect(pulled).toBeLessThanOrEqual(4);
    await output.return?.();
    expect(pulled).toBeLessThanOrEqual(4);
  });

  it("stops with the signal's reason and ends its input", async () => {
    const controller = new AbortController();
    let ended = false;
    async function* endless(): AsyncIterable<Uint8Array> {
      try {
        while (true) yield Buffer.alloc(block);
      } finally {
        ended = true;
      }
    }
    const reason = new Error("enough");
    const drain = async (): Promise<void> => {
      let parts = 0;
      for await (const part of compressGzip(endless(), { parallel: 2, signal: controller.signal })) {
        if (part.byteLength > 0 && ++parts === 3) controller.abort(reason);
      }
    };
    await expect(drain()).rejects.toBe(reason);
    expect(ended).toBe(true);
  });

  it("hands on the failure of its input", async () => {
    async function* failing(): AsyncIterable<Uint8Array> {
      yield Buffer.alloc(block);
      yield Buffer.alloc(block);
      throw new Error("disk gone");
    }
    await expect(compress(failing())).rejects.toThrow("disk gone");
  });
});
