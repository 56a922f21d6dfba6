import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { crc32Base64 } from "#codec/digest.ts";
import { checkedBody, type ExpectedBody } from "./s3-body.ts";

const text = Buffer.from("0123456789");
const expected = (overrides: Partial<ExpectedBody> = {}): ExpectedBody => ({
  doing: "get s3://bucket/key",
  bytes: text.length,
  idleMs: 1000,
  signal: new AbortController().signal,
  ...overrides,
});

describe("checked body", () => {
  it("passes what has the right length and checksum", async () => {
    const source = new PassThrough();
    source.end(text);
    expect((await buffer(checkedBody(source, expected({ crc32: crc32Base64(text) })))).equals(text)).toBe(true);
  });

  it("fails at the end of what is too short or too long", async () => {
    for (const bytes of [text.length - 1, text.length + 1]) {
      const source = new PassThrough();
      source.end(text);
      await expect(buffer(checkedBody(source, expected({ bytes })))).rejects.toMatchObject({ kind: "Corrupt" });
    }
  });

  it("fails when the checksum differs", async () => {
    const source = new PassThrough();
    source.end(text);
    const body = checkedBody(source, expected({ crc32: crc32Base64(Buffer.from("other")) }));
    await expect(buffer(body)).rejects.toThrow("get s3://bucket/key: the body does not match its checksum");
  });

  it("fails when the connection closes without an error", async () => {
    const source = new PassThrough();
    const body = checkedBody(source, expected());
    source.write("012");
    source.destroy();
    await expect(buffer(body)).rejects.toMatchObject({ kind: "EndpointUnreachable" });
  });

  it("closes the connection when its reader leaves", async () => {
    const source = new PassThrough();
    const body = checkedBody(source, expected());
    body.destroy();
    await new Promise((resolve) => body.once("close", resolve));
    expect(source.destroyed).toBe(true);
  });

  it("holds back the connection while the reader is busy", async () => {
    const source = new PassThrough({ highWaterMark: 100_000 });
    const body = checkedBody(source, expected({ bytes: 10_000_000 }));
    body.on("error", () => undefined);
    let written = 0;
    while (written < 10_000_000 && source.write(Buffer.alloc(50_000))) {
      written += 50_000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(written).toBeLessThan(2_000_000);
    body.destroy();
  });

  describe("in time", () => {
    beforeEach(() => vi.useFakeTimers());
    afterEach(() => vi.useRealTimers());

    it("fails when nothing more comes", async () => {
      const source = new PassThrough();
      const body = checkedBody(source, expected());
      const read = buffer(body).catch((error: unknown) => error);
      source.write("012");
      await vi.advanceTimersByTimeAsync(999);
      source.write("3");
      await vi.advanceTimersByTimeAsync(999);
      expect(body.destroyed).toBe(false);
      await vi.advanceTimersByTimeAsync(2);
      expect(await read).toMatchObject({ name: "StoreError", kind: "EndpointUnreachable" });
    });

    it("waits for a reader that takes its time", async () => {
      const large = Buffer.alloc(3_000_000);
      const source = new PassThrough();
      const body = checkedBody(source, expected({ bytes: large.length }));
      source.end(large);
      await vi.advanceTimersByTimeAsync(60_000);
      expect((await buffer(body)).length).toBe(large.length);
    });
  });
});
