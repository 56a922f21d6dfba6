import { describe, expect, it } from "vitest";
import { nearest } from "./nearest.ts";

const known = ["compression", "encryption", "maxParallel", "jobs"];

describe("what somebody meant", () => {
  it.each([
    ["compresion", "compression"],
    ["Compression", "compression"],
    ["comperssion", "compression"],
    ["maxparalel", "maxParallel"],
    ["job", "jobs"],
  ])("%s is %s", (written, meant) => {
    expect(nearest(written, known)).toBe(meant);
  });

  it("is not guessed when nothing resembles it", () => {
    for (const written of ["", "x", "retention", "c".repeat(100_000)]) expect(nearest(written, known)).toBeUndefined();
  });
});
