// The memory of a backup's pieces is used again while their content is still on its way to the disk of someone slow. Whatever
// the sizes, the speed of network and disk, and the pieces that break off: every file comes out as it went in.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { StoreError } from "#store/errors.ts";
import type { GetOptions, ObjectContent, ObjectStore } from "#store/store.ts";
import { encodeTarHeader, tarPaddingBytes } from "../backup/tar-header.ts";
import { downloadPieces } from "./download.ts";
import { Extractor } from "./untar.ts";

interface File {
  readonly path: string;
  readonly content: Buffer;
}

const pieceBytes = 64 * 1024;
const files = fc.array(
  fc.record({
    bytes: fc.oneof(
      fc.constantFrom(0, 1, 511, 512, 513, 8192, pieceBytes - 512, pieceBytes, 1024 * 1024),
      fc.nat({ max: 3 * pieceBytes }),
      // Written piece by piece.
      fc.integer({ min: 1024 * 1024 + 1, max: 1_300_000 }),
    ),
    seed: fc.nat({ max: 0xffff_ffff }),
  }),
  { minLength: 1, maxLength: 15 },
);
const delays = fc.infiniteStream(fc.constantFrom(0, 0, 0, 1, 2, 5));

let diskDelays: Iterator<number>;

beforeEach(async () => {
  const handle = await open("/dev/null", "r");
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const write = Reflect.get(prototype, "write") as (this: unknown, ...parameters: unknown[]) => Promise<never>;
  // The bytes are taken when the disk gets to them, not when it is told of them.
  vi.spyOn(prototype, "write").mockImplementation(async function (this: typeof handle, ...parameters: unknown[]) {
    await sleep(diskDelays.next().value as number);
    return await write.apply(this, parameters);
  });
});
afterEach(() => vi.restoreAllMocks());

/** No two stretches of it are equal, so that bytes of another place show. */
function contentOf(bytes: number, seed: number): Buffer {
  const content = Buffer.allocUnsafe(Math.ceil(bytes / 4) * 4);
  for (let at = 0; at < content.length; at += 4) content.writeUInt32LE(Math.imul(at + seed, 0x9e37_79b1) >>> 0, at);
  return content.subarray(0, bytes);
}

const tar = (members: readonly File[]): Buffer =>
  Buffer.concat([
    ...members.flatMap(({ path, content }) => [
      encodeTarHeader({ kind: "file", path, size: content.length, modifiedAt: 0 }),
      content,
      Buffer.alloc(tarPaddingBytes(content.length)),
    ]),
    Buffer.alloc(1024),
  ]);

/** Answers in small chunks, not all at once, and breaks off where `breaksAt` says: nth answer, at a part of its length. */
function storeOf(archive: Buffer, network: Iterator<number>, breaksAt: ReadonlyMap<number, number>): ObjectStore {
  let answers = 0;
  async function* chunks(body: Buffer, share: number | undefined): AsyncGenerator<Buffer> {
    for (let at = 0; at < body.length; at += 7001) {
      if (share !== undefined && at >= body.length * share) throw new StoreError("EndpointUnreachable", "reset");
      if (at % 5 === 0) await sleep(network.next().value as number);
      yield body.subarray(at, at + 7001);
    }
  }
  const get = async (key: string, { range }: GetOptions): Promise<ObjectContent> => {
    const body = archive.subarray(range?.start, range === undefined ? undefined : range.end + 1);
    const stream = Readable.from(chunks(body, breaksAt.get(answers++)), { objectMode: false });
    return { key, size: archive.length, lastModified: new Date(0), metadata: {}, body: stream };
  };
  return { get } as unknown as ObjectStore;
}

it("gives every file its own bytes", async () => {
  const run = async (
    volumes: readonly (readonly { bytes: number; seed: number }[])[],
    {
      parallel,
      disk,
      network,
      breaks,
    }: Record<"disk" | "network", Iterable<number>> & {
      parallel: number;
      breaks: readonly (readonly [number, number])[];
    },
  ): Promise<void> => {
    diskDelays = disk[Symbol.iterator]();
    const slow = network[Symbol.iterator]();
    const pgdata = mkdtempSync(join(tmpdir(), "holdfast-reuse-"));
    onTestFinished(() => rmSync(pgdata, { recursive: true, force: true }));
    const { signal } = new AbortController();
    let written = 0;
    const extractor = new Extractor(pgdata, { onBytes: (bytes) => (written += bytes), signal });
    const all: File[] = [];
    for (const [number, sizes] of volumes.entries()) {
      const members = sizes.map(({ bytes, seed }, index) => {
        return { path: `base/${number}/${index}`, content: contentOf(bytes, seed) };
      });
      all.push(...members);
      const archive = tar(members);
      const store = storeOf(archive, slow, new Map(breaks));
      const options = { store, key: "data.tar", size: archive.length, parallel, pieceBytes, reuse: true, signal };
      await extractor.extract(downloadPieces(options));
    }
    for (const { path, content } of all)
      expect(readFileSync(join(pgdata, path)).equals(content), `${path}, ${content.length} bytes`).toBe(true);
    expect(written).toBe(all.reduce((sum, { content }) => sum + content.length, 0));
    rmSync(pgdata, { recursive: true });
  };
  const conditions = fc.record({
    parallel: fc.integer({ min: 1, max: 4 }),
    disk: delays,
    network: delays,
    breaks: fc.array(fc.tuple(fc.nat({ max: 20 }), fc.constantFrom(0, 0.3, 0.99)), { maxLength: 2 }),
  });
  await fc.assert(fc.asyncProperty(fc.array(files, { minLength: 1, maxLength: 3 }), conditions, run), { numRuns: 3 });
});
