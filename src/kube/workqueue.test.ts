import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Clock, WorkQueue } from "./workqueue.ts";

/** A clock that moves only when told to. */
function manualClock() {
  let time = 0;
  let timers: { at: number; run: () => void }[] = [];
  const clock: Clock = {
    now: () => time,
    after(ms, run) {
      const timer = { at: time + ms, run };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
  };
  const pass = (ms: number): void => {
    const end = time + ms;
    for (;;) {
      const next = timers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      timers = timers.filter((other) => other !== next);
      time = next.at;
      next.run();
    }
    time = end;
  };
  return { clock, pass, pending: () => timers.length };
}

function aQueue(options: { capacity?: number; onRoom?: () => void } = {}) {
  const { clock, pass, pending } = manualClock();
  const queue = new WorkQueue({ clock, ...options });
  /** What `take` gives without waiting; undefined if it would wait. */
  const take = async (): Promise<string | undefined> => (queue.length === 0 ? undefined : queue.take());
  return { queue, pass, pending, take };
}

describe("the work queue", () => {
  it("holds a key once, in order of arrival", async () => {
    const { queue, take } = aQueue();
    for (const key of ["a", "b", "a"]) queue.add(key);
    expect([await take(), await take(), await take()]).toEqual(["a", "b", undefined]);
  });

  it("hands a key to a worker that already waits", async () => {
    const { queue } = aQueue();
    const waiting = queue.take();
    queue.add("a");
    expect(await waiting).toBe("a");
  });

  it("never gives an active key to a second worker, but gives it again afterwards", async () => {
    const { queue, take } = aQueue();
    queue.add("a");
    await take();
    queue.add("a");
    queue.add("a");
    expect(await take()).toBeUndefined();
    queue.done("a");
    expect(await take()).toBe("a");
    queue.done("a");
    expect(await take()).toBeUndefined();
  });

  it("adds later, and the earlier of two times counts", async () => {
    const { queue, pass, take, pending } = aQueue();
    queue.addAfter("a", 1000);
    queue.addAfter("a", 500);
    queue.addAfter("a", 2000);
    pass(499);
    expect(await take()).toBeUndefined();
    pass(1);
    expect(await take()).toBe("a");
    expect(pending()).toBe(0);
  });

  it("forgets a delay when the key comes sooner", async () => {
    const { queue, pass, take, pending } = aQueue();
    queue.addAfter("a", 1000);
    queue.add("a");
    expect(pending()).toBe(0);
    expect(await take()).toBe("a");
    queue.done("a");
    pass(2000);
    expect(await take()).toBeUndefined();
  });

  it("waits twice as long after each failure, five minutes at most, until a success", () => {
    const { queue } = aQueue();
    const waits = Array.from({ length: 20 }, () => queue.retry("a"));
    expect(waits.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(waits.at(-1)).toBe(300_000);
    expect(queue.retry("b")).toBe(5);
    queue.forget("a");
    expect(queue.failuresOf("a")).toBe(0);
    expect(queue.retry("a")).toBe(5);
  });

  it("asks for everything again when it had to refuse keys", async () => {
    let asked = 0;
    const { queue, take } = aQueue({ capacity: 2, onRoom: () => asked++ });
    for (const key of ["a", "b", "c", "a"]) queue.add(key);
    expect(queue.length).toBe(2);
    for (const _ of "ab") queue.done((await take())!);
    expect(asked).toBe(1);
    queue.add("c");
    queue.done((await take())!);
    expect(asked).toBe(1);
  });

  it("lets active keys end when it is shut down, and drops the rest", async () => {
    const { queue, take, pending } = aQueue();
    queue.add("a");
    queue.add("b");
    queue.addAfter("c", 10);
    await take();
    let isDrained = false;
    const drained = queue.shutDown().then(() => (isDrained = true));
    queue.add("d");
    expect(await queue.take()).toBeUndefined();
    expect([pending(), isDrained]).toEqual([0, false]);
    queue.done("a");
    await drained;
  });

  it("releases workers that wait when it is shut down", async () => {
    const { queue } = aQueue();
    const waiting = queue.take();
    await queue.shutDown();
    expect(await waiting).toBeUndefined();
  });

  it("loses no key and runs none twice at once, whatever the order of calls", async () => {
    const call = fc.record({
      call: fc.constantFrom("add", "addAfter", "take", "done", "retry", "pass"),
      key: fc.constantFrom("a", "b", "c"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 60 }), async (calls) => {
        const { queue, pass, take } = aQueue();
        const active = new Set<string>();
        const owed = new Set<string>();
        for (const { call, key } of calls) {
          if (call === "pass") pass(50);
          if (call === "add" || call === "addAfter" || call === "retry") owed.add(key);
          if (call === "add") queue.add(key);
          if (call === "addAfter") queue.addAfter(key, 30);
          if (call === "retry") queue.retry(key);
          if (call === "done" && active.delete(key)) queue.done(key);
          if (call !== "take") continue;
          const taken = await take();
          if (taken === undefined) continue;
          expect(active.has(taken)).toBe(false);
          active.add(taken);
          owed.delete(taken);
        }
        for (const key of active) queue.done(key);
        pass(400_000);
        const rest: string[] = [];
        for (let key = await take(); key !== undefined; key = await take()) rest.push(key);
        for (const key of owed) expect(rest).toContain(key);
      }),
    );
  });
});
