import { describe, expect, it } from "vitest";
import { never } from "#test/bench/wal-fixture.ts";
import { createBufferPool, createSlots } from "./slots.ts";

describe("slots", () => {
  it("are given up to the limit that is asked with, then in the order of asking", async () => {
    const slots = createSlots();
    await slots.acquire(1, never);
    const order: number[] = [];
    const waiting = [1, 2].map((number) => slots.acquire(1, never).then(() => order.push(number)));
    expect(slots.tryAcquire(1)).toBe(false);
    slots.release();
    await waiting[0];
    expect(order).toEqual([1]);
    slots.release();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2]);
    expect(slots.used).toBe(1);
  });

  it("are not taken past someone who waits", async () => {
    const slots = createSlots();
    await slots.acquire(1, never);
    const waiting = slots.acquire(1, never);
    expect(slots.tryAcquire(5)).toBe(false);
    slots.release();
    await waiting;
    expect(slots.tryAcquire(5)).toBe(true);
  });

  it("are not lost when someone gives up waiting", async () => {
    const slots = createSlots();
    await slots.acquire(1, never);
    const cancel = new AbortController();
    const first = slots.acquire(1, cancel.signal);
    const second = slots.acquire(1, never);
    cancel.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    slots.release();
    await second;
    expect(slots.used).toBe(1);
  });
});

describe("buffers", () => {
  it("are used again once given back, but not after a failure", () => {
    const pool = createBufferPool();
    const one = pool.take(4096);
    pool.give(one, true);
    expect(pool.take(4096)).toBe(one);
    pool.give(one, false);
    expect(pool.take(4096)).not.toBe(one);
  });

  it("go back to the system when more are free than are in use and one more", () => {
    const pool = createBufferPool();
    const taken = [1, 2, 3, 4].map(() => pool.take(65_536));
    for (const buffer of taken) pool.give(buffer, true);
    expect(taken.map((buffer) => buffer.buffer.byteLength)).toEqual([0, 0, 0, 65_536]);
  });
});
