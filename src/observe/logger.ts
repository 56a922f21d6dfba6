// The root logger. Made once in cmd and passed down; children carry the fields of their subject. Redaction paths are
// fixed here so that no secret reaches a log even when an object that holds one is logged by mistake.
import { pino, type Logger as PinoLogger } from "pino";

export type Logger = PinoLogger;

export const logLevels = ["error", "warning", "info", "debug", "trace"] as const;
export type LogLevel = (typeof logLevels)[number];

const redacted = ["secretAccessKey", "sessionToken", "password", "token", "authorization", "clusterDefinition"];

/** JSON lines on standard output with ISO times; `level` in the words of the ObjectStore field logLevel. */
export function createLogger(level: LogLevel, fields: Record<string, string> = {}): Logger {
  return pino({
    level: level === "warning" ? "warn" : level,
    base: fields,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: redacted.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
  });
}
