import { expect, it } from "vitest";
import { BoundedMap } from "./bounded-map.ts";

it("forgets what was set the longest ago, and what was set again is young", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([3, undefined, 4]);
});

it("says whether what is deleted was there", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1);
  expect([map.delete("a"), map.delete("a")]).toEqual([true, false]);
  expect(map.get("a")).toBeUndefined();
});
