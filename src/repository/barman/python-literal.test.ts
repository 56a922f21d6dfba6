import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPythonLiteral, formatPythonText, parsePythonLiteral, type PythonValue } from "./python-literal.ts";

describe("Python texts", () => {
  it.each([
    // From repr() of Python 3.11.
    ["plain", "'plain'"],
    ["it's", `"it's"`],
    ['say "hi"', `'say "hi"'`],
    [`both ' and "`, `'both \\' and "'`],
    ["a\nb\tc\r\\d", "'a\\nb\\tc\\r\\\\d'"],
    ["é ü 漢 😀", "'é ü 漢 😀'"],
    ["\u0000\u001b\u007f\u0080\u00a0\u00ad", "'\\x00\\x1b\\x7f\\x80\\xa0\\xad'"],
    ["\u2028\u200b\ufeff\u0378", "'\\u2028\\u200b\\ufeff\\u0378'"],
    ["\u{e0001}", "'\\U000e0001'"],
  ])("%j is written as repr() does", (text, literal) => {
    expect(formatPythonText(text)).toBe(literal);
    expect(parsePythonLiteral(literal)).toBe(text);
  });
});

describe("Python values", () => {
  it("come back unchanged from their text", () => {
    const { value } = fc.letrec<{ value: PythonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
        fc.string({ unit: "binary" }),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie("value"), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (item) => {
        expect(parsePythonLiteral(formatPythonLiteral(item))).toEqual(item);
      }),
    );
  });

  it.each<[string, PythonValue]>([
    ["[('ts1', 40960, '/srv/ts1')]", [["ts1", 40960, "/srv/ts1"]]],
    ["(1,)", [1]],
    ["{ 'a' : 1.5 , }", { a: 1.5 }],
    ["[]", []],
    ["-1e-05", -0.00001],
    ["'\\x41\\u0042\\U00000043'", "ABC"],
  ])("%s", (text, value) => expect(parsePythonLiteral(text)).toEqual(value));

  it.each([
    "",
    "x",
    "'open",
    "'a\nb'",
    "'\\q'",
    "'\\x4'",
    "'\\U00110000'",
    "[1 2]",
    "[1",
    "{1: 2}",
    "{'a' 1}",
    "{'a': 1 'b': 2}",
    "1 1",
    "__import__('os')",
    "[".repeat(30),
  ])("%j is no literal", (text) => expect(parsePythonLiteral(text)).toBeUndefined());
});
