import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatLsn, parseLsn } from "./lsn.ts";

const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe("LSN text", () => {
  it("reads what PostgreSQL prints, in either case", () => {
    expect(parseLsn("0/3000028")).toBe(0x3000028n);
    expect(parseLsn("16/B374D848")).toBe(0x16_b374d848n);
    expect(parseLsn("16/b374d848")).toBe(0x16_b374d848n);
    expect(formatLsn(0x16_0000000an)).toBe("16/A");
  });

  it("comes back unchanged from its text", () => {
    fc.assert(fc.property(lsn, (value) => parseLsn(formatLsn(value)) === value));
  });

  it.each(["", "/", "0/", "/1", "0/123456789", "123456789/0", "0/G", "0/1 ", "-1/0", "0x1/0"])(
    "does not take %j for an LSN",
    (text) => expect(parseLsn(text)).toBeUndefined(),
  );

  it.each([-1n, 2n ** 64n])("refuses to write %s", (value) => {
    expect(() => formatLsn(value)).toThrow(RangeError);
  });
});
