// How a command is run so that what it says at the Stanza's logLevel is heard. Pure. A line goes to the standard error or to
// the standard output, not to both, so a command that logs to the standard output because somebody follows it there keeps
// doing so; there it says up to the level that it was given.
import type { StanzaConfig } from "./config.ts";
import { createLineLog, createLineReader, isWithin, logLevelOf, type LogLine } from "./log-lines.ts";
import type { ProgramCall } from "./run-program.ts";

export type OnLog = (line: LogLine & { readonly command: string }) => void;

export interface LoggedInput {
  readonly command: string;
  readonly options: readonly string[];
  readonly onLine: ProgramCall["onLine"] | undefined;
  readonly onLog: OnLog | undefined;
}

export interface Logged {
  readonly options: readonly string[];
  readonly call: Pick<ProgramCall, "onLine" | "logged">;
}

const stderrOption = "--log-level-stderr=";
const consoleOption = "--log-level-console=";

export function loggedOf(
  { logLevel, credentials }: Pick<StanzaConfig, "logLevel" | "credentials">,
  { command, options, onLine, onLog }: LoggedInput,
): Logged {
  if (onLog === undefined) return { options, call: {} };
  const most = logLevelOf(logLevel);
  const take = createLineLog(credentials.each, (line) => onLog({ ...line, command }));
  // Before it has read its options, pgBackRest also says what is not asked for.
  const log = (line: LogLine): void => {
    if (line.level !== "error" && isWithin(line.level, most)) take(line);
  };
  const console = options.find((option) => option.startsWith(consoleOption))?.slice(consoleOption.length) ?? "off";
  if (console !== "off") {
    if (onLine === undefined) return { options, call: {} };
    const read = createLineReader();
    const both = (line: string): void => {
      onLine(line);
      log(read(line));
    };
    return { options, call: { onLine: both } };
  }
  const asked = options.find((option) => option.startsWith(stderrOption))?.slice(stderrOption.length);
  const counting = logLevelOf(asked ?? "error");
  const level = isWithin(counting, most) ? most : counting;
  const others = options.filter((option) => !option.startsWith(stderrOption));
  return { options: [...others, `${stderrOption}${level}`], call: { logged: { counting, onLine: log } } };
}
