import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFrame, encodeMessageText, MessageReader, parseTimeout } from "./frame.ts";

describe("message framing", () => {
  it("gives back any message, however its bytes are cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(305), { maxLength: 6 }), (message, cuts) => {
        const frame = encodeFrame(message);
        const reader = new MessageReader(300);
        const edges = [0, ...cuts.map((cut) => Math.min(cut, frame.length)).toSorted((a, b) => a - b), frame.length];
        for (const [index, edge] of edges.slice(1).entries()) reader.push(frame.subarray(edges[index], edge));
        expect(Buffer.compare(reader.end(), message)).toBe(0);
      }),
    );
  });

  it("refuses a length over the limit as soon as the prefix is known", () => {
    const reader = new MessageReader(10);
    reader.push(Buffer.from([0, 0, 0]));
    expect(() => reader.push(Buffer.from([0, 11]))).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
  });

  it("refuses a compressed message", () => {
    const reader = new MessageReader(10);
    const push = (): void => reader.push(Buffer.from([1, 0, 0, 0, 0]));
    expect(push).toThrow(expect.objectContaining({ code: "UNIMPLEMENTED" }));
  });

  it("refuses bytes after the message", () => {
    const reader = new MessageReader(10);
    const push = (): void => reader.push(Buffer.from([0, 0, 0, 0, 1, 7, 7]));
    expect(push).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("the text of grpc-message", () => {
  it.each([
    ["plain text, 42 'quotes'", "plain text, 42 'quotes'"],
    ["100% full", "100%25 full"],
    ["a\nb", "a%0Ab"],
    ["é 🚫", "%C3%A9 %F0%9F%9A%AB"],
    ["lone \ud800 surrogate", "lone %EF%BF%BD surrogate"],
  ])("encodes %j", (text, encoded) => {
    expect(encodeMessageText(text)).toBe(encoded);
  });

  it("is printable ASCII that decodes to the same text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const encoded = encodeMessageText(text);
        expect(encoded).toMatch(/^[\u0020-\u007e]*$/);
        expect(decodeURIComponent(encoded)).toBe(text);
      }),
    );
  });
});

describe("the deadline header", () => {
  it.each([
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["30S", 30_000],
    ["250m", 250],
    ["1500u", 2],
    ["1n", 1],
    ["0S", 0],
  ])("%s is %d ms", (header, milliseconds) => {
    expect(parseTimeout(header)).toBe(milliseconds);
  });

  it("is optional", () => {
    expect(parseTimeout(undefined)).toBeUndefined();
  });

  it.each(["", "5", "S", "123456789S", "-1S", "1.5S", "1s", " 1S"])("refuses %j", (header) => {
    expect(() => parseTimeout(header)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
