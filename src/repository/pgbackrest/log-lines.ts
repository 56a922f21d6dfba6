// What pgBackRest logs beside its errors, for those who want to read it: which lines those are, without secrets, and not
// without end. Pure. It writes "LEVEL: text" to standard error and "P00 LEVEL: text" to standard output, and indents what
// follows of one message.
import type { RepositoryCredentials } from "./config.ts";

/** From few words to many. */
export const pgbackrestLogLevels = ["error", "warn", "info", "detail", "debug"] as const;
export type PgbackrestLogLevel = (typeof pgbackrestLogLevels)[number];

export interface LogLine {
  readonly level: PgbackrestLogLevel;
  readonly text: string;
}

/** Trace is taken for debug: pgBackRest 2.55.1 crashes at trace. */
export const logLevelOf = (written: string): PgbackrestLogLevel =>
  pgbackrestLogLevels.find((level) => level === written) ?? (written === "trace" ? "debug" : "warn");

export const isWithin = (level: PgbackrestLogLevel, most: PgbackrestLogLevel): boolean =>
  pgbackrestLogLevels.indexOf(level) <= pgbackrestLogLevels.indexOf(most);

const begin = /^(?:P\d+ +)?(ASSERT|ERROR|WARN|INFO|DETAIL|DEBUG|TRACE): (.*)$/;
/** At debug, where to report an error follows its message. */
const appendix = /^ +-{20,}$/;

/**
 * Reads line after line: the level is that of the message which the line belongs to. What is in no message, as the last
 * words of a crash, counts as an error, and what is appended to an error does not.
 */
export function createLineReader(): (line: string) => LogLine {
  let level: PgbackrestLogLevel = "error";
  return (line) => {
    const [, name = "", text = line] = begin.exec(line) ?? [];
    if (name !== "") level = name === "ASSERT" ? "error" : logLevelOf(name.toLowerCase());
    else if (appendix.test(line) && level === "error") level = "debug";
    else if (!line.startsWith(" ")) level = "error";
    return { level, text };
  };
}

const textMax = 2_000;
const linesMax = 1_000;

/** Of one command: whatever a credential is, no line has it; after many lines only that there were more. */
export function createLineLog(
  credentials: readonly RepositoryCredentials[],
  log: (line: LogLine) => void,
): (line: LogLine) => void {
  const secrets = secretsOf(credentials);
  let lines = 0;
  return ({ level, text }) => {
    lines++;
    if (lines > linesMax + 1) return;
    if (lines > linesMax) log({ level: "warn", text: `more than ${linesMax} lines: the rest is left out` });
    else
      log({
        level,
        text: secrets.reduce((left, secret) => left.replaceAll(secret, "<redacted>"), text).slice(0, textMax),
      });
  };
}

/** Also as pgBackRest quotes them, and line by line. The longest first, since one may hold another. */
const secretsOf = (credentials: readonly RepositoryCredentials[]): readonly string[] =>
  credentials
    .flatMap(({ secretAccessKey, accountKey, passphrase }) => [secretAccessKey, accountKey, passphrase])
    .flatMap((secret) => (secret ?? "").split("\n"))
    .flatMap((secret) => [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      ...signatureIn(secret),
    ])
    .filter((secret) => secret !== "")
    .toSorted((a, b) => b.length - a.length);

/** The part of a shared access signature that is secret, as it is written and as it is meant. */
function signatureIn(secret: string): readonly string[] {
  const [, written] = /(?:^|[?&])sig=([^&]+)/.exec(secret) ?? [];
  const meant = new URLSearchParams(secret.replace(/^\?/, "")).get("sig");
  return [written, meant].filter((text) => text !== undefined && text !== null);
}
