import { describe, expect, it } from "vitest";
import { parseDuration } from "./duration.ts";

describe("parseDuration", () => {
  it.each([
    ["1h30m", 5_400_000],
    ["90s", 90_000],
    ["10m", 600_000],
    ["0s", 0],
    ["1h2m3s", 3_723_000],
  ])("reads %s", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(["", "10", "1d", "m", "1m1h", "-1m", "1.5h", " 1h", "1h ", "9999999999999999h"])("does not read %j", (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );
});
