import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32Base64, sha256Hex } from "./digest.ts";

describe("digests", () => {
  it("match the published check values", async () => {
    // CRC catalogue: CRC-32/ISO-HDLC of "123456789" is cbf43926; FIPS 180-2: SHA-256 of "abc".
    expect(Buffer.from(crc32Base64(Buffer.from("123456789")), "base64").toString("hex")).toBe("cbf43926");
    expect(await sha256Hex(Buffer.from("abc"))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("hash in steps to the same value as at once", async () => {
    const step = 1024 * 1024;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 1, step - 1, step, step + 1, 3 * step + 7),
        fc.nat(255),
        async (length, fill) => {
          const body = Buffer.alloc(length, fill);
          expect(await sha256Hex(body)).toBe(createHash("sha256").update(body).digest("hex"));
        },
      ),
      { numRuns: 12 },
    );
  });

  it("let other work run while they hash", async () => {
    let others = 0;
    const count = (): void => {
      others++;
      handle = setImmediate(count);
    };
    let handle = setImmediate(count);
    await sha256Hex(Buffer.alloc(16 * 1024 * 1024));
    clearImmediate(handle);
    expect(others).toBeGreaterThan(10);
  });
});
