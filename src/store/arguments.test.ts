import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { knownArguments, parseArguments, parseSize } from "./arguments.ts";

describe("argument lists of barman-cloud", () => {
  it("become our settings", () => {
    const list = ["--min-chunk-size=5MB", "--read-timeout=60", "--max-bandwidth=20MB", "--max-concurrency=3"];
    const mebibyte = 1024 * 1024;
    expect(parseArguments(list)).toEqual({
      settings: { partBytesLeast: 5 * mebibyte, idleMs: 60_000, bytesPerSecondMost: 20 * mebibyte, parallelMost: 3 },
      ignored: [],
      problems: [],
    });
  });

  it("may give values as arguments of their own, as S1 passed them on", () => {
    expect(parseArguments(["--read-timeout", "60", "-vv"])).toEqual({
      settings: { idleMs: 60_000 },
      ignored: ["-vv"],
      problems: [],
    });
  });

  it("lose what is about barman's own output", () => {
    const list = ["-v", "-vv", "-vvv", "-q", "--verbose", "--quiet"];
    expect(parseArguments(list)).toEqual({ settings: {}, ignored: list, problems: [] });
  });

  it("are refused by name where we have no counterpart", () => {
    const { problems } = parseArguments(["--aws-profile=prod", "--read-timeout=5", "-e AES256"]);
    expect(problems).toEqual([
      `--aws-profile is not known here; known are ${knownArguments.join(", ")}`,
      `-e is not known here; known are ${knownArguments.join(", ")}`,
    ]);
  });

  it("are refused without a word of what is passed to them: it may be a password", () => {
    const { problems } = parseArguments(["--secret=s3cret", "--password", "s3cret", "-p s3cret"]);
    expect(problems).toHaveLength(4);
    expect(problems.join()).not.toContain("s3cret");
  });

  it.each([
    ["--read-timeout=soon", '--read-timeout needs whole seconds, not "soon"'],
    ["--read-timeout", '--read-timeout needs whole seconds, not ""'],
    ["--max-concurrency=0", '--max-concurrency needs a whole number, not "0"'],
    ["--min-chunk-size=5XB", '--min-chunk-size needs a size such as 5MB, not "5XB"'],
  ])("are refused when %s makes no sense", (argument, problem) => {
    expect(parseArguments([argument])).toEqual({ settings: {}, ignored: [], problems: [problem] });
  });
});

describe("sizes of barman-cloud", () => {
  it.each([
    ["1234", 1234],
    ["1234B", 1234],
    ["5MB", 5 * 1024 ** 2],
    ["5mb", 5 * 1024 ** 2],
    ["5MiB", 5_000_000],
    ["1.5kB", 1536],
    ["2GB", 2 * 1024 ** 3],
    ["1TiB", 1e12],
  ])("%s is %i bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(["", "0", "0MB", "-1", "1.5", "5M", "MB", "1e6", "5 MB", "99999999999TB"])("%j is none", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it("are whole, positive and ordered by their number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4000 }), fc.constantFrom("", "B", "kB", "MiB", "GB"), (number, unit) => {
        const bytes = parseSize(`${number}${unit}`);
        expect(Number.isSafeInteger(bytes) && bytes! > 0).toBe(true);
        expect(parseSize(`${number + 1}${unit}`)!).toBeGreaterThan(bytes!);
      }),
    );
  });
});
