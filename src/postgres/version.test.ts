import { describe, expect, it } from "vitest";
import { isSupportedMajor, majorOf, parsePgVersionFile, unsupportedMajor } from "./version.ts";

describe("PostgreSQL versions", () => {
  it("knows the major of a version number", () => {
    expect([majorOf(150018), majorOf(180004), majorOf(90624)]).toEqual([15, 18, 9]);
  });

  it("supports 15 to 18 and names the others", () => {
    expect([14, 15, 16, 17, 18, 19].filter(isSupportedMajor)).toEqual([15, 16, 17, 18]);
    expect(unsupportedMajor(14)).toBe("postgresql 14 is not supported yet (supported: 15, 16, 17, 18)");
  });

  it("reads PG_VERSION, and nothing else", () => {
    expect(parsePgVersionFile("15\n")).toBe(15);
    expect([parsePgVersionFile("9.6\n"), parsePgVersionFile("")]).toEqual([undefined, undefined]);
  });
});
