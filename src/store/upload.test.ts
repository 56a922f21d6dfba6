import { describe, expect, it } from "vitest";
import type { PartUpload } from "./driver.ts";
import { sendParts } from "./upload.ts";

const signal = new AbortController().signal;

interface Sent {
  readonly number: number;
  readonly text: string;
  done(): void;
  fail(error: Error): void;
}

/** An upload whose parts end when the test says so. */
function anUpload() {
  const sent: Sent[] = [];
  const events: string[] = [];
  const upload: PartUpload = {
    putPart: async (number, body, options) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      options.signal.addEventListener("abort", () => reject(options.signal.reason));
      sent.push({ number, text: Buffer.from(body).toString(), done: resolve, fail: reject });
      await promise;
    },
    complete: async () => void events.push("complete"),
    abort: async () => void events.push("abort"),
  };
  return { upload, sent, events };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("sending parts", () => {
  it("asks for the next part only when one of those on their way is done", async () => {
    const { upload, sent, events } = anUpload();
    let made = 0;
    async function* parts(): AsyncIterable<Uint8Array> {
      for (const text of ["a", "b", "c", "d"]) {
        made++;
        yield Buffer.from(text);
      }
    }
    const bytes = sendParts(upload, parts(), { parallel: 2, signal });
    await settle();
    expect({ made, sent: sent.length }).toEqual({ made: 2, sent: 2 });
    sent[1]!.done();
    await settle();
    expect({ made, sent: sent.length }).toEqual({ made: 3, sent: 3 });
    sent[0]!.done();
    await settle();
    expect(sent.map(({ number, text }) => `${number}${text}`)).toEqual(["1a", "2b", "3c", "4d"]);
    expect(events).toEqual([]);
    sent[2]!.done();
    sent[3]!.done();
    expect(await bytes).toBe(4);
    expect(events).toEqual(["complete"]);
  });

  it("cancels the other parts when one fails, removes the upload and tells the first failure", async () => {
    const { upload, sent, events } = anUpload();
    let ended = false;
    async function* parts(): AsyncIterable<Uint8Array> {
      try {
        for (let turn = 0; turn < 9; turn++) yield Buffer.from("x");
      } finally {
        ended = true;
      }
    }
    const bytes = sendParts(upload, parts(), { parallel: 3, signal });
    await settle();
    sent[1]!.fail(new Error("disk full"));
    await expect(bytes).rejects.toThrow("disk full");
    expect({ ended, events, sent: sent.length }).toEqual({ ended: true, events: ["abort"], sent: 3 });
  });

  it("tells what failed even when removing the upload fails too", async () => {
    const { upload } = anUpload();
    const stubborn: PartUpload = {
      ...upload,
      complete: () => Promise.reject(new Error("refused")),
      abort: () => Promise.reject(new Error("gone")),
    };
    async function* parts(): AsyncIterable<Uint8Array> {}
    const sending = sendParts({ ...stubborn, putPart: async () => undefined }, parts(), { parallel: 1, signal });
    await expect(sending).rejects.toThrow("refused");
  });
});
