import { describe, expect, it } from "vitest";
import { inParallel } from "./in-parallel.ts";

describe("work in parallel", () => {
  it("gives results in the order of the items, never more at once than allowed", async () => {
    let running = 0;
    let most = 0;
    const results = await inParallel([5, 1, 4, 2, 3], 2, async (item) => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < item; turn++) await Promise.resolve();
      running--;
      return item * 10;
    });
    expect(results).toEqual([50, 10, 40, 20, 30]);
    expect(most).toBe(2);
  });

  it("begins nothing after a failure and ends with it", async () => {
    const begun: number[] = [];
    const work = inParallel([1, 2, 3, 4, 5, 6], 2, async (item) => {
      begun.push(item);
      await Promise.resolve();
      if (item === 2) throw new Error("second");
    });
    await expect(work).rejects.toThrow("second");
    expect(begun.length).toBeLessThan(5);
  });

  it("of nothing is nothing", async () => expect(await inParallel([], 4, () => Promise.resolve(1))).toEqual([]));
});
