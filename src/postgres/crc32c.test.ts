import { describe, expect, it } from "vitest";
import { crc32c } from "./crc32c.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("CRC-32C", () => {
  it("has the check values of RFC 3720 and of the catalogue of CRCs", () => {
    expect(crc32c(bytes("123456789"))).toBe(0xe306_9283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43);
    expect(crc32c()).toBe(0);
  });

  it("does not depend on how the bytes are divided", () => {
    expect(crc32c(bytes("1234"), bytes(""), bytes("56789"))).toBe(0xe306_9283);
  });
});
