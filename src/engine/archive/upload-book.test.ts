import { describe, expect, it } from "vitest";
import { walCompressions } from "#codec/compression.ts";
import { segmentNames } from "#test/bench/wal-data.ts";
import { first, mib } from "#test/bench/wal-fixture.ts";
import { createUploadBook } from "./upload-book.ts";

const [one = "", two = "", three = "", four = ""] = segmentNames(first, 4, mib) as string[];
const done = Promise.resolve();

describe("the book of uploads", () => {
  it("plans neither what is under way, stored, acknowledged nor refused", () => {
    const book = createUploadBook();
    const all = [one, two, three, four];
    book.ready = all;
    book.begin(two, done);
    book.begin(four, done);
    book.succeed(four, "x", false);
    book.begin(three, done);
    book.fail(three, true);
    book.acknowledge(one);
    expect(book.plan("00000001.history", 0, 4).start).toEqual([]);
    book.ready = all;
    book.ask(three);
    expect(book.plan("00000001.history", 0, 4).start).toEqual([three]);
  });

  it("reads the marks anew after a failure that may pass, because the name has left the list", () => {
    const book = createUploadBook();
    book.ready = [two, three];
    expect(book.plan(one, 0, 1)).toMatchObject({ start: [two], ready: [three] });
    book.begin(two, done);
    book.fail(two, false);
    expect(book.plan(one, 0, 1)).toMatchObject({ start: [], wanting: 1 });
  });

  it("forgets what PostgreSQL has passed, so that it does not count as stored ahead for ever", () => {
    const book = createUploadBook();
    for (const name of [one, two, three]) {
      book.begin(name, done);
      book.succeed(name, "x", false);
    }
    book.ask(three);
    expect([one, two, three].map((name) => book.isStored(name, "x"))).toEqual([false, false, true]);
  });

  it("doubts the suffix for the first files, after a change of compression and after a file that was there", () => {
    const { gzip, zstd } = walCompressions;
    const book = createUploadBook();
    const succeed = (count: number, alreadyStored = false): void => {
      for (let number = 0; number < count; number++) book.succeed(one, "x", alreadyStored);
    };
    expect(book.doubtsSuffix(gzip)).toBe(true);
    succeed(64);
    expect(book.doubtsSuffix(gzip)).toBe(false);
    expect(book.doubtsSuffix(zstd)).toBe(true);
    succeed(64);
    expect(book.doubtsSuffix(zstd)).toBe(false);
    succeed(1, true);
    expect(book.doubtsSuffix(zstd)).toBe(true);
  });
});
