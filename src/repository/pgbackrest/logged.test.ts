import { describe, expect, it } from "vitest";
import { loggedOf } from "./logged.ts";

type Heard = { readonly level: string; readonly text: string; readonly command: string };

const logged = (logLevel: string, options: readonly string[], onLine?: (line: string) => void) => {
  const heard: Heard[] = [];
  const config = { logLevel, credentials: { kind: "repositories", each: [] } } as const;
  return { heard, ...loggedOf(config, { command: "backup", options, onLine, onLog: (line) => heard.push(line) }) };
};

describe("a command whose log is heard", () => {
  it("says as much on the standard error as the Stanza wants, and not less than the caller does", () => {
    const quiet = ["--log-level-console=off"];
    expect(logged("info", [...quiet, "--log-level-stderr=error"]).options).toEqual([
      ...quiet,
      "--log-level-stderr=info",
    ]);
    expect(logged("trace", quiet).options).toContain("--log-level-stderr=debug");
    const warn = logged("error", [...quiet, "--log-level-stderr=warn"]);
    expect(warn.options).toContain("--log-level-stderr=warn");
    expect(warn.call.logged?.counting).toBe("warn");
  });

  it("keeps the standard output of one that is followed there, and hears the same lines up to the level", () => {
    const followed: string[] = [];
    const options = ["--log-level-console=detail"];
    const { heard, call, options: given } = logged("info", options, (line) => followed.push(line));
    expect(given).toEqual(options);
    const lines = ["P00   INFO: backup command begin", "P01 DETAIL: backup file x", "P00   WARN: careful"];
    for (const line of lines) call.onLine?.(line);
    expect(followed).toEqual(lines);
    expect(heard).toEqual([
      { level: "info", text: "backup command begin", command: "backup" },
      { level: "warn", text: "careful", command: "backup" },
    ]);
  });

  it("does not take the content of a file, read line by line, for a log", () => {
    const { call } = logged("debug", ["--log-level-console=off"], () => undefined);
    expect(call.onLine).toBeUndefined();
  });
});
