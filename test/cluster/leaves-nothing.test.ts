import { describe, expect, it } from "vitest";
import { differences } from "./leaves-nothing.ts";

const state = (mounts: string[]) => new Map([["mounts", mounts]]);

describe("differences", () => {
  it("is empty for equal states", () => {
    expect(differences(state(["/", "/proc"]), state(["/", "/proc"]))).toEqual([]);
  });

  it("names what came and what went, and counts what is there more than once", () => {
    expect(differences(state(["/", "/sys"]), state(["/", "/", "/run/x"]))).toEqual([
      "mounts: left behind /",
      "mounts: left behind /run/x",
      "mounts: missing /sys",
    ]);
  });
});
