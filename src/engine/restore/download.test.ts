import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { StoreError } from "#store/errors.ts";
import type { GetOptions, ObjectContent, ObjectStore } from "#store/store.ts";
import { downloadPieces, type DownloadOptions } from "./download.ts";

const content = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));

/** A store of one object whose answers go through `answer`; counts how many are under way at most. */
function storeWith(answer: (range: { start: number; end: number }) => Readable): {
  store: ObjectStore;
  most: () => number;
} {
  let underWay = 0;
  let most = 0;
  const get = async (key: string, { range = { start: 0, end: 999 } }: GetOptions): Promise<ObjectContent> => {
    most = Math.max(most, ++underWay);
    const body = answer(range);
    body.once("close", () => underWay--);
    return { key, size: content.length, lastModified: new Date(0), metadata: {}, body };
  };
  return { store: { get } as unknown as ObjectStore, most: () => most };
}

const whole = ({ start, end }: { start: number; end: number }): Readable =>
  Readable.from([content.subarray(start, end + 1)]);

const download = async (store: ObjectStore, over: Partial<DownloadOptions> = {}): Promise<Buffer> => {
  const options = {
    store,
    key: "data.tar",
    size: 1000,
    parallel: 3,
    pieceBytes: 130,
    signal: new AbortController().signal,
  };
  return Buffer.concat(await Array.fromAsync(downloadPieces({ ...options, ...over })));
};

describe("downloadPieces", () => {
  it("gives the object in order, with so many requests under way and no more", async () => {
    const { store, most } = storeWith(whole);
    expect((await download(store)).equals(content)).toBe(true);
    expect(most()).toBe(3);
  });

  it("uses the memory of a piece again once the next one is asked for", async () => {
    const { store } = storeWith(whole);
    const signal = new AbortController().signal;
    const memories = new Set<ArrayBufferLike>();
    const copies: Buffer[] = [];
    for await (const piece of downloadPieces({
      store,
      key: "data.tar",
      size: 1000,
      parallel: 2,
      pieceBytes: 130,
      reuse: true,
      signal,
    })) {
      memories.add(piece.buffer);
      copies.push(Buffer.from(piece));
    }
    expect(Buffer.concat(copies).equals(content)).toBe(true);
    expect(memories.size).toBe(2);
  });

  it("gives nothing of an empty object", async () => {
    expect(await download(storeWith(whole).store, { size: 0 })).toEqual(Buffer.alloc(0));
  });

  it("asks for a piece again when its body breaks off or ends early", async () => {
    const failures: (() => Readable)[] = [
      () => Readable.from([content.subarray(0, 5)]),
      () =>
        new Readable({
          read: (): void => {},
          construct: (done) => done(new StoreError("EndpointUnreachable", "reset")),
        }),
    ];
    const retries: unknown[] = [];
    const { store } = storeWith((range) => failures.pop()?.() ?? whole(range));
    expect((await download(store, { onRetry: (error) => retries.push(error) })).equals(content)).toBe(true);
    expect(retries).toHaveLength(2);
  });

  it("fails at once when a piece is refused", async () => {
    const refusal = new StoreError("AccessDenied", "access denied");
    const { store } = storeWith((range) => {
      if (range.start > 300) throw refusal;
      return whole(range);
    });
    await expect(download(store)).rejects.toBe(refusal);
  });

  it("stops when its signal aborts", async () => {
    const reason = new Error("enough");
    await expect(download(storeWith(whole).store, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
