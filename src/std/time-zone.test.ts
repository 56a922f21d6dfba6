import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTimeZone, nearestTimeZone } from "./time-zone.ts";

describe("time zones", () => {
  it.each(["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "Asia/Calcutta"])(
    "knows %s",
    (name) => expect(isTimeZone(name)).toBe(true),
  );

  it.each(["", "+02:00", "-5", "CEST", "Europe/Pari", "Mars/Base", "Local", "Europe/Paris "])(
    "does not know %j",
    (name) => expect(isTimeZone(name)).toBe(false),
  );

  it.each([
    ["Paris", "Europe/Paris"],
    ["europe/pariss", "Europe/Paris"],
    ["Europe/Berln", "Europe/Berlin"],
    ["New York", "America/New_York"],
  ])("takes %s for %s", (written, meant) => expect(nearestTimeZone(written)).toBe(meant));

  it("has no suggestion for what resembles nothing", () => {
    expect(nearestTimeZone("the one of my town")).toBeUndefined();
  });

  it("takes any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => (nearestTimeZone(text), true)),
      {
        numRuns: 10,
      },
    );
  });
});
