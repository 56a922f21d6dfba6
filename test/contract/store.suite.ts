// What every implementation of the object storage port must do. Each one has a file of its own that runs this, and adds
// what only it can show.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ListEntry, ObjectStore } from "#store/store.ts";

export interface StoreHarness {
  /** A store that holds nothing yet. */
  openEmpty(): Promise<ObjectStore>;
  /** A store whose bucket does not exist. */
  openMissing(): Promise<ObjectStore>;
  /** How many uploads have been begun and neither completed nor removed. */
  unfinishedUploads(): Promise<number>;
  stop(): Promise<void>;
}

const signal = AbortSignal.timeout(600_000);
const partBytes = 5 * 1024 * 1024;
const sha1 = (body: Uint8Array): string => createHash("sha1").update(body).digest("hex");

async function* repeated(part: Uint8Array, times: number): AsyncIterable<Uint8Array> {
  for (let turn = 0; turn < times; turn++) yield part;
}

async function all(entries: AsyncIterable<ListEntry>): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of entries) names.push(entry.kind === "object" ? entry.key : entry.prefix);
  return names;
}

export function storeSuite(name: string, start: () => Promise<StoreHarness>): void {
  describe(`object store: ${name}`, () => {
    let harness: StoreHarness;
    let store: ObjectStore;

    beforeAll(async () => {
      harness = await start();
    });
    afterAll(async () => harness.stop());
    beforeEach(async () => {
      store = await harness.openEmpty();
    });
    afterEach(() => store.close());

    const put = (key: string, body: string | Uint8Array = key, ifAbsent = false): Promise<void> =>
      store.put(key, Buffer.from(body as string), { signal, ifAbsent });
    const read = async (key: string, range?: { start: number; end: number }): Promise<string> =>
      (await buffer((await store.get(key, { signal, ...(range && { range }) })).body)).toString();

    describe("put and get", () => {
      it("gives back bytes, length, time and metadata", async () => {
        const before = Date.now();
        const body = randomBytes(300_000);
        await store.put("a/b c+ü.gz", body, { signal, metadata: { sha256: "abc", "other-thing": "Some text" } });
        const { body: stream, ...head } = await store.get("a/b c+ü.gz", { signal });
        expect((await buffer(stream)).equals(body)).toBe(true);
        expect(head).toMatchObject({
          key: "a/b c+ü.gz",
          size: 300_000,
          metadata: { sha256: "abc", "other-thing": "Some text" },
        });
        expect(Math.abs(head.lastModified.getTime() - before)).toBeLessThan(60_000);
        expect(await store.head("a/b c+ü.gz", { signal })).toEqual(head);
      });

      it("keeps an object without bytes", async () => {
        await put("empty", "");
        expect(await store.head("empty", { signal })).toMatchObject({ size: 0, metadata: {} });
        expect(await read("empty")).toBe("");
      });

      it("replaces an object, metadata and all", async () => {
        await store.put("key", Buffer.from("one"), { signal, metadata: { old: "1" } });
        await put("key", "two");
        expect(await read("key")).toBe("two");
        expect(await store.head("key", { signal })).toMatchObject({ size: 3, metadata: {} });
      });

      it("reads ranges, clipped at the end", async () => {
        await put("digits", "0123456789");
        expect(await read("digits", { start: 0, end: 0 })).toBe("0");
        expect(await read("digits", { start: 3, end: 5 })).toBe("345");
        expect(await read("digits", { start: 8, end: 100 })).toBe("89");
        const { size, body } = await store.get("digits", { signal, range: { start: 2, end: 3 } });
        body.destroy();
        expect(size).toBe(10);
      });

      it("refuses a range that begins after the end", async () => {
        await put("digits", "0123456789");
        await expect(store.get("digits", { signal, range: { start: 10, end: 12 } })).rejects.toMatchObject({
          kind: "Corrupt",
        });
      });

      it("takes a part of a larger buffer as it is", async () => {
        await store.put("view", new Uint8Array(Buffer.from("xxhelloxx")).subarray(2, 7), { signal });
        expect(await read("view")).toBe("hello");
      });
    });

    describe("what is not there", () => {
      it("is undefined for head and NotFound for get", async () => {
        expect(await store.head("nothing", { signal })).toBeUndefined();
        await expect(store.get("nothing", { signal })).rejects.toMatchObject({ name: "StoreError", kind: "NotFound" });
        expect(await all(store.list("nothing", { signal }))).toEqual([]);
      });

      it("is no error for delete", async () => {
        await put("there");
        await store.delete(["nothing", "there", "nor/this"], { signal });
        expect(await store.head("there", { signal })).toBeUndefined();
        await store.delete([], { signal });
      });

      it("is another thing than a missing bucket", async () => {
        const missing = await harness.openMissing();
        const expected = { name: "StoreError", kind: "NoSuchBucket" };
        await expect(missing.head("key", { signal })).rejects.toMatchObject(expected);
        await expect(missing.get("key", { signal })).rejects.toMatchObject(expected);
        await expect(missing.put("key", Buffer.from("x"), { signal })).rejects.toMatchObject(expected);
        await expect(
          missing.upload("key", repeated(Buffer.from("x"), 1), { signal, parallel: 1 }),
        ).rejects.toMatchObject(expected);
        await expect(all(missing.list("", { signal }))).rejects.toMatchObject(expected);
        missing.close();
      });
    });

    describe("list", () => {
      it("gives all keys under a prefix in byte order, page after page", async () => {
        const keys = Array.from({ length: 1203 }, (_, index) => `many/${index.toString(16)}`);
        const expected = [...keys].sort();
        await inParallel(keys, 32, (key) => put(key, ""));
        await put("other");
        expect(await all(store.list("many/", { signal }))).toEqual(expected);
        expect(await all(store.list("many/", { signal, startAfter: "many/1ff" }))).toEqual(
          expected.filter((key) => key > "many/1ff"),
        );
        expect(await all(store.list("", { signal, delimiter: "/" }))).toEqual(["many/", "other"]);
        await store.delete(keys, { signal });
        expect(await all(store.list("", { signal }))).toEqual(["other"]);
      });

      it("rolls up what shares a prefix, in one order with the objects", async () => {
        for (const key of ["b/1", "b/2", "a", "b!", "c/d/e", "b0", "d"]) await put(key);
        expect(await all(store.list("", { signal, delimiter: "/" }))).toEqual(["a", "b!", "b/", "b0", "c/", "d"]);
        expect(await all(store.list("b/", { signal, delimiter: "/" }))).toEqual(["b/1", "b/2"]);
        expect(await all(store.list("c/", { signal, delimiter: "/" }))).toEqual(["c/d/"]);
        expect(await all(store.list("b", { signal }))).toEqual(["b!", "b/1", "b/2", "b0"]);
      });

      it("tells length and time of objects", async () => {
        await put("one", "four");
        const entries: ListEntry[] = [];
        for await (const entry of store.list("", { signal })) entries.push(entry);
        expect(entries).toEqual([{ kind: "object", key: "one", size: 4, lastModified: expect.any(Date) }]);
      });

      it("stops asking when its reader does", async () => {
        for (const key of ["1", "2", "3"]) await put(key);
        for await (const entry of store.list("", { signal })) {
          expect(entry).toMatchObject({ key: "1" });
          break;
        }
        expect(await read("3")).toBe("3");
      });
    });

    describe("put if absent", () => {
      it("stores what is not there and never replaces what is", async () => {
        await put("once", "first", true);
        await expect(put("once", "second", true)).rejects.toMatchObject({ name: "StoreError", kind: "AlreadyExists" });
        expect(await read("once")).toBe("first");
      });

      it("lets exactly one of many at once win, with its own metadata", async () => {
        const turns = Array.from({ length: 8 }, (_, turn) => String(turn));
        const outcomes = await Promise.allSettled(
          turns.map((turn) => store.put("race", Buffer.from(turn), { signal, ifAbsent: true, metadata: { turn } })),
        );
        const winners = turns.filter((_, turn) => outcomes[turn]!.status === "fulfilled");
        expect(winners).toHaveLength(1);
        expect(await read("race")).toBe(winners[0]);
        expect(await store.head("race", { signal })).toMatchObject({ metadata: { turn: winners[0] } });
        const losers = outcomes.filter((outcome) => outcome.status === "rejected");
        expect(losers.map(({ reason }) => reason.kind)).toEqual(Array(7).fill("AlreadyExists"));
      });

      it("holds for uploads in parts too, and leaves nothing of the loser", async () => {
        const upload = (fill: string): Promise<number> =>
          store.upload("big", repeated(Buffer.alloc(partBytes, fill), 2), { signal, parallel: 2, ifAbsent: true });
        expect(await upload("1")).toBe(2 * partBytes);
        await expect(upload("2")).rejects.toMatchObject({ kind: "AlreadyExists" });
        const first = await read("big", { start: 0, end: 3 });
        expect(first).toBe("1111");
        expect(await harness.unfinishedUploads()).toBe(0);
      });
    });

    describe("upload", () => {
      it("joins parts in order, whichever arrives first", async () => {
        const parts = Array.from({ length: 7 }, (_, index) => randomBytes(index < 6 ? partBytes : 12_345));
        async function* made(): AsyncIterable<Uint8Array> {
          yield* parts;
        }
        const whole = Buffer.concat(parts);
        const options = { signal, parallel: 4, metadata: { kind: "data" } };
        expect(await store.upload("joined", made(), options)).toBe(whole.length);
        const { body, size, metadata } = await store.get("joined", { signal });
        expect({ size, metadata, sha1: sha1(await buffer(body)) }).toEqual({
          size: whole.length,
          metadata: { kind: "data" },
          sha1: sha1(whole),
        });
        const middle = await store.get("joined", { signal, range: { start: partBytes - 3, end: partBytes + 2 } });
        expect((await buffer(middle.body)).equals(whole.subarray(partBytes - 3, partBytes + 3))).toBe(true);
      });

      it("takes one short part, or none at all", async () => {
        expect(await store.upload("short", repeated(Buffer.from("abc"), 1), { signal, parallel: 3 })).toBe(3);
        expect(await read("short")).toBe("abc");
        expect(await store.upload("none", repeated(Buffer.from(""), 0), { signal, parallel: 3 })).toBe(0);
        expect(await store.head("none", { signal })).toMatchObject({ size: 0 });
      });

      it("leaves no object and no unfinished upload when the maker of parts fails", async () => {
        async function* failing(): AsyncIterable<Uint8Array> {
          yield Buffer.alloc(partBytes);
          yield Buffer.alloc(partBytes);
          throw new Error("disk gone");
        }
        await expect(store.upload("failed", failing(), { signal, parallel: 2 })).rejects.toThrow("disk gone");
        expect(await store.head("failed", { signal })).toBeUndefined();
        expect(await harness.unfinishedUploads()).toBe(0);
      });

      it("leaves no object and no unfinished upload when it is aborted, and ends the maker", async () => {
        const controller = new AbortController();
        let ended = false;
        async function* endless(): AsyncIterable<Uint8Array> {
          try {
            for (let turn = 1; ; turn++) {
              if (turn === 4) controller.abort(new Error("shutting down"));
              yield Buffer.alloc(partBytes);
            }
          } finally {
            ended = true;
          }
        }
        const options = { signal: controller.signal, parallel: 2 };
        await expect(store.upload("aborted", endless(), options)).rejects.toThrow("shutting down");
        expect(ended).toBe(true);
        expect(await store.head("aborted", { signal })).toBeUndefined();
        expect(await harness.unfinishedUploads()).toBe(0);
      });
    });

    describe("abort", () => {
      const reason = new Error("shutting down");

      it("rejects with its reason and stores nothing", async () => {
        const aborted = AbortSignal.abort(reason);
        const body = Buffer.from("x");
        await expect(store.put("never", body, { signal: aborted })).rejects.toBe(reason);
        await expect(store.get("never", { signal: aborted })).rejects.toBe(reason);
        await expect(store.head("never", { signal: aborted })).rejects.toBe(reason);
        await expect(store.delete(["never"], { signal: aborted })).rejects.toBe(reason);
        await expect(all(store.list("", { signal: aborted }))).rejects.toBe(reason);
        await expect(store.upload("never", repeated(body, 1), { signal: aborted, parallel: 1 })).rejects.toBe(reason);
        expect(await all(store.list("", { signal }))).toEqual([]);
      });

      it("in the middle of a put leaves the object whole or absent", async () => {
        const body = randomBytes(16 * 1024 * 1024);
        for (const afterMs of [0, 2, 5, 10, 20]) {
          const key = `cut/${afterMs}`;
          const outcome = await store
            .put(key, body, { signal: AbortSignal.timeout(afterMs) })
            .catch((error: unknown) => error);
          if (outcome !== undefined) expect(outcome).toMatchObject({ name: "TimeoutError" });
          const head = await store.head(key, { signal });
          expect(head?.size ?? body.length).toBe(body.length);
        }
      });

      it("ends a body that is being read", async () => {
        await put("long", randomBytes(16 * 1024 * 1024));
        const controller = new AbortController();
        const { body } = await store.get("long", { signal: controller.signal });
        const reading = (async () => {
          for await (const chunk of body) if (chunk.length > 0) controller.abort(reason);
        })();
        await expect(reading).rejects.toBe(reason);
      });
    });

    describe("connections", () => {
      it("are free again when a body is left half read", async () => {
        await put("long", randomBytes(8 * 1024 * 1024));
        for (let turn = 0; turn < 80; turn++) {
          const { body } = await store.get("long", { signal: AbortSignal.timeout(10_000) });
          await body[Symbol.asyncIterator]().next();
          body.destroy();
        }
        expect(await store.head("long", { signal })).toMatchObject({ size: 8 * 1024 * 1024 });
      });

      it("are refused once the store is closed", async () => {
        const other = await harness.openEmpty();
        other.close();
        await expect(other.put(randomUUID(), Buffer.from("x"), { signal })).rejects.toThrow("closed");
        await expect(all(other.list("", { signal }))).rejects.toThrow("closed");
      });
    });
  });
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}
