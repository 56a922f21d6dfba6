// The argument lists that S1's ObjectStore passes to barman-cloud's programs, in our own terms. Pure. What we have no
// counterpart for is refused by name: silently dropping an option would look as if it worked.
import type { TransferSettings } from "./config.ts";

interface Known {
  readonly setting: keyof TransferSettings;
  readonly read: (value: string) => number | undefined;
  readonly example: string;
}

const known = {
  "--min-chunk-size": { setting: "partBytesLeast", read: parseSize, example: "a size such as 5MB" },
  "--read-timeout": { setting: "idleMs", read: parseSeconds, example: "whole seconds" },
  "--max-bandwidth": { setting: "bytesPerSecondMost", read: parseSize, example: "a size such as 20MB" },
  "--max-concurrency": { setting: "parallelMost", read: parseCount, example: "a whole number" },
} as const satisfies Record<string, Known>;

export const knownArguments: readonly string[] = Object.keys(known);

export interface ParsedArguments {
  readonly settings: TransferSettings;
  /** Options about barman's own output: they mean nothing here. */
  readonly ignored: readonly string[];
  /** One sentence for each argument that cannot be taken. */
  readonly problems: readonly string[];
}

/** Verbosity: -v, -vv, -q, --verbose, --quiet. */
const aboutOutput = /^(-v+|-q+|--verbose|--quiet)$/;

/** Reads `--flag=value` and `--flag`, `value`; a later one wins. */
export function parseArguments(list: readonly string[]): ParsedArguments {
  const settings: { -readonly [Name in keyof TransferSettings]: TransferSettings[Name] } = {};
  const ignored: string[] = [];
  const problems: string[] = [];
  const rest = list.values();
  for (const argument of rest) {
    if (aboutOutput.test(argument)) {
      ignored.push(argument);
      continue;
    }
    const [name = "", ...values] = argument.split("=");
    if (!isKnown(name)) {
      problems.push(`${nameOf(name)} is not known here; known are ${knownArguments.join(", ")}`);
      continue;
    }
    const value = values.length > 0 ? values.join("=") : (rest.next().value ?? "");
    const { setting, read, example } = known[name];
    const number = read(value);
    if (number === undefined) problems.push(`${name} needs ${example}, not ${JSON.stringify(value)}`);
    else settings[setting] = number;
  }
  return { settings, ignored, problems };
}

/** Of the option alone: what is passed to it may be a password. */
const nameOf = (argument: string): string =>
  argument.startsWith("-") ? (argument.split(/\s/, 1)[0] ?? "") : "a value";

const isKnown = (name: string): name is keyof typeof known => Object.hasOwn(known, name);

function parseCount(text: string): number | undefined {
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
}

function parseSeconds(text: string): number | undefined {
  const seconds = parseCount(text);
  return seconds === undefined ? undefined : seconds * 1000;
}

/**
 * A size in bytes as barman 3.19 reads it, which is the other way round than usual: "5MB" is 5 × 1024², "5MiB" is
 * 5 × 1000²; a bare number, or one with "B", is bytes.
 */
export function parseSize(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)(?:([KMGTP])(I?)B|B)?$/i.exec(text);
  if (found === null) return undefined;
  const [, digits = "", prefix = "", si = ""] = found;
  if (prefix === "" && digits.includes(".")) return undefined;
  const power = prefix === "" ? 0 : "KMGTP".indexOf(prefix.toUpperCase()) + 1;
  const bytes = Math.trunc(Number(digits) * (si === "" ? 1024 : 1000) ** power);
  return bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : undefined;
}
