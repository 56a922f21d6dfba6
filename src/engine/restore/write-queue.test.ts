import { describe, expect, it } from "vitest";
import { WriteQueue } from "./write-queue.ts";

describe("WriteQueue", () => {
  it("runs so many tasks at once and no more", async () => {
    const queue = new WriteQueue({ tasks: 2, bytes: 100 });
    const gates = [1, 2, 3].map(() => Promise.withResolvers<void>());
    const started: number[] = [];
    const adding = (async () => {
      for (const [index, gate] of gates.entries()) {
        await queue.add(1, async () => {
          started.push(index);
          await gate.promise;
        });
      }
    })();
    await new Promise(setImmediate);
    expect(started).toEqual([0, 1]);
    gates[1]!.resolve();
    await adding;
    expect(started).toEqual([0, 1, 2]);
    gates.forEach(({ resolve }) => resolve());
    await queue.drain();
  });

  it("holds so many bytes and no more, but always lets one task run", async () => {
    const queue = new WriteQueue({ tasks: 10, bytes: 100 });
    let running = 0;
    let most = 0;
    for (const bytes of [60, 60, 300, 30, 30]) {
      await queue.add(bytes, async () => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
      });
    }
    await queue.drain();
    expect(most).toBe(2);
  });

  it("throws the first failure at the next task and at the end", async () => {
    const queue = new WriteQueue({ tasks: 2, bytes: 100 });
    const failure = new Error("no space left");
    const { ended } = await queue.add(1, () => Promise.reject(failure));
    await ended;
    await expect(queue.add(1, async () => {})).rejects.toBe(failure);
    await expect(queue.drain()).rejects.toBe(failure);
  });
});
