import { describe, expect, it } from "vitest";
import { createLineLog, createLineReader, logLevelOf, type LogLine } from "./log-lines.ts";

const levels = (...lines: string[]) => {
  const read = createLineReader();
  return lines.map((line) => read(line).level);
};

describe("a line of pgBackRest's log", () => {
  it("has the level of the message that it belongs to, on either output", () => {
    expect(levels("INFO: archive-push command begin", "       more", "P01 DETAIL: backup file x", "WARN: y")).toEqual([
      "info",
      "info",
      "detail",
      "warn",
    ]);
  });

  it("is an error with its hint, but not with what is appended for a report of it", () => {
    const dashes = `       ${"-".repeat(68)}`;
    expect(
      levels("DEBUG:     x", "ERROR: [055]: unable", "       HINT: do", dashes, "       stack trace:", "INFO: end"),
    ).toEqual(["debug", "error", "error", "debug", "debug", "info"]);
  });

  it("is an error when it is of no message, as the last words of a crash", () => {
    expect(levels("INFO: begin", "Segmentation fault", "loader: no such file")).toEqual(["info", "error", "error"]);
    expect(levels("ASSERT: [025]: cannot be")).toEqual(["error"]);
  });

  it("is never asked for at trace, at which 2.55.1 crashes", () => {
    expect(logLevelOf("trace")).toBe("debug");
    expect(logLevelOf("detail")).toBe("detail");
  });
});

describe("the log of a command", () => {
  const logOf = (credentials: Parameters<typeof createLineLog>[0], texts: readonly string[]) => {
    const lines: LogLine[] = [];
    const log = createLineLog(credentials, (line) => lines.push(line));
    for (const text of texts) log({ level: "debug", text });
    return lines;
  };

  it("holds no secret, however pgBackRest writes it", () => {
    const passphrase = 'two "words"\nand a line';
    const sas = "sv=2025&sig=a%2Fb%3D&se=x";
    const credentials = [{ secretAccessKey: "s3cret/key=" }, { accountKey: sas, passphrase }];
    const said = [
      "--key=s3cret/key=",
      "GET /?x=s3cret%2Fkey%3D",
      '{"two \\"words\\"\\nand a line"}',
      'two "words"',
      `url?${sas}`,
      "query sig=a%2Fb%3D",
      "{sig: 'a/b='}",
    ];
    const text = logOf(credentials, said)
      .map((line) => line.text)
      .join("\n");
    for (const secret of ["s3cret", "words", "and a line", "a%2Fb", "a/b"]) expect(text).not.toContain(secret);
    expect(text).toContain("--key=<redacted>");
  });

  it("has an end, and says that it was cut", () => {
    const lines = logOf(
      [],
      Array.from({ length: 5_000 }, () => "x".repeat(5_000)),
    );
    expect(lines).toHaveLength(1_001);
    expect(lines[0]?.text).toHaveLength(2_000);
    expect(lines.at(-1)).toMatchObject({ level: "warn", text: expect.stringContaining("left out") as string });
  });
});
