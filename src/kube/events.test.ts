import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLogger } from "#observe/logger.ts";
import type { KubeClient } from "./client.ts";
import { createEventRecorder, shorten } from "./events.ts";
import type { KubeObject } from "./object.ts";

const { signal } = new AbortController();
const about = (uid: string): KubeObject => ({ kind: "Archive", metadata: { namespace: "n", name: "a", uid } });

function aRecorder(options: { memoryCount?: number; fails?: () => boolean } = {}) {
  const notes: string[] = [];
  let time = 0;
  const client = {
    async create(_: unknown, event: KubeObject & { note: string }) {
      if (options.fails?.() === true) throw new Error("away");
      notes.push(event.note);
      return event;
    },
  } as unknown as KubeClient;
  const { memoryCount = 100 } = options;
  const recorder = createEventRecorder({
    client,
    instance: "i",
    logger: createLogger("error"),
    memoryCount,
    now: () => time,
  });
  const record = (message: string, uid = "1") =>
    recorder.record(about(uid), { type: "Normal", reason: "R", message }, signal);
  return { notes, record, pass: (ms: number) => void (time += ms) };
}

describe("an event recorder", () => {
  it("says the same about the same object once in five minutes", async () => {
    const { notes, record, pass } = aRecorder();
    await record("x");
    await record("x");
    await record("x", "2");
    await record("y");
    pass(299_999);
    await record("x");
    expect(notes).toEqual(["x", "x", "y"]);
    pass(1);
    await record("x");
    expect(notes).toHaveLength(4);
  });

  it("remembers only so many", async () => {
    const { notes, record } = aRecorder({ memoryCount: 2 });
    for (const message of ["a", "b", "c", "a", "c"]) await record(message);
    expect(notes).toEqual(["a", "b", "c", "a"]);
  });

  it("never throws, and tries again what could not be written", async () => {
    let isAway = true;
    const { notes, record } = aRecorder({ fails: () => isAway });
    await record("x");
    isAway = false;
    await record("x");
    expect(notes).toEqual(["x"]);
  });
});

describe("a note", () => {
  it("fits into 1024 bytes without a broken character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 0, maxLength: 2000 }), (message) => {
        const note = shorten(message);
        expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
        expect(note === message || message.startsWith(note.slice(0, -1))).toBe(true);
      }),
    );
  });
});
