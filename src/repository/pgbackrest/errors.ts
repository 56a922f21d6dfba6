// What went wrong in pgBackRest, in few kinds that say what to do about it. Its exit code is the number of its error
// (pgBackRest's error table; src/build/error/error.yaml). Its words decide only where one number stands for many reasons:
// TLS and decryption, and what was wrong with each repository when none is left.
import { isTlsProblem, isUndecrypted, quotedSignature } from "./repository-state.ts";

const pgbackrestErrorKinds = [
  "Config", // an option is wrong: it fails again until the Stanza is mended
  "Busy", // another command holds the lock: later
  "Identity", // the stanza belongs to another database system, or to another version of it
  "Unreachable", // a repository, or the database, does not answer: later
  "Denied", // the repository refuses the login, or the passphrase is wrong
  "NoStanza", // the stanza is not in the repository
  "Duplicate", // other content is in the archive under this name
  "Damaged", // what is in the repository cannot be right
  "NoBackup", // no backup fits
  "Timeout", // it was not through in time
  "Cancelled",
  "Failed", // anything else
] as const;
export type PgbackrestErrorKind = (typeof pgbackrestErrorKinds)[number];

/** The kinds that time, or a person elsewhere, may mend. */
const passing: ReadonlySet<PgbackrestErrorKind> = new Set(["Busy", "Unreachable", "Denied", "NoStanza", "Timeout"]);

const kindOfCode: Readonly<Record<number, PgbackrestErrorKind>> = {
  26: "Damaged",
  27: "Config",
  29: "Config",
  31: "Config",
  32: "Config",
  37: "Config",
  44: "Identity",
  45: "Duplicate",
  46: "Config",
  49: "Unreachable",
  50: "Busy",
  51: "Identity",
  55: "NoStanza",
  56: "Unreachable",
  57: "Unreachable",
  58: "Identity",
  63: "Cancelled",
  75: "NoBackup",
  82: "Timeout",
  95: "Denied",
  101: "Unreachable",
  102: "Unreachable",
  103: "Unreachable",
  104: "Unreachable",
  105: "Denied",
};

export class PgbackrestError extends Error {
  override readonly name = "PgbackrestError";
  readonly kind: PgbackrestErrorKind;
  /** Of the process; absent when it did not come to an end of its own. */
  readonly code: number | undefined;
  readonly hint: string | undefined;
  /** The repositories that it names as those that failed. */
  readonly repositories: readonly number[];

  constructor(
    kind: PgbackrestErrorKind,
    message: string,
    options: { cause?: unknown; code?: number; hint?: string; repositories?: readonly number[] } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.code = options.code;
    this.hint = options.hint;
    this.repositories = options.repositories ?? [];
  }

  get transient(): boolean {
    return passing.has(this.kind);
  }
}

export const isPgbackrestError = (error: unknown, kind?: PgbackrestErrorKind): error is PgbackrestError =>
  error instanceof PgbackrestError && (kind === undefined || error.kind === kind);

/** `said`: the lines that pgBackRest logged as errors, the first of which names it: "[103]: no valid repository". */
export function pgbackrestError(command: string, code: number, said: readonly string[]): PgbackrestError {
  const text = withoutRequests(said.map(printable)).filter((line) => line !== "" && !line.startsWith("HINT:"));
  const hint = said.map((line) => line.trim()).find((line) => line.startsWith("HINT:"));
  const words = text.slice(0, 4).join(" ").slice(0, 600) || `exit code ${code}`;
  const repositories = text.flatMap((line) => /^repo(\d+): \[\w+\]/.exec(line)?.[1] ?? []).map(Number);
  return new PgbackrestError(kindOf(code, words), `pgbackrest ${command}: ${words}`, {
    code,
    repositories,
    ...(hint !== undefined && { hint: hint.slice("HINT:".length).trim() }),
  });
}

/** pgBackRest adds a whole HTTP request and answer, of which only the provider's code is kept. */
function withoutRequests(lines: readonly string[]): readonly string[] {
  const kept: string[] = [];
  let isRequest = false;
  for (const line of lines) {
    isRequest = line.startsWith("*** ") || (isRequest && !/^repo\d+: /.test(line));
    if (!isRequest) kept.push(line);
    const code = isRequest ? /<Code>(\w{1,64})<\/Code>/.exec(line)?.[1] : undefined;
    const last = kept.at(-1);
    if (code !== undefined && last !== undefined) kept[kept.length - 1] = `${last.replace(/:$/, "")}: ${code}`;
  }
  return kept;
}

/** Read with a wrong passphrase, a file is nonsense, which pgBackRest quotes. */
const printable = (line: string): string =>
  line
    .replace(/(outside of section at line \d+):.*/, "$1")
    .replace(quotedSignature, "$1")
    .replaceAll(/[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffc]/g, "?")
    .trim();

/** "No valid repository" wraps whatever was wrong with each of them. */
function kindOf(code: number, words: string): PgbackrestErrorKind {
  if (isTlsProblem(words)) return "Unreachable";
  if (isUndecrypted(words)) return "Denied";
  if (code === 103 || code === 104) {
    if (/\[(File|Path)MissingError\]|stanza-create/.test(words)) return "NoStanza";
    if (/\[(Crypto|Format|Access)Error\]|HTTP 40[13]|InvalidAccessKeyId|SignatureDoesNotMatch/.test(words))
      return "Denied";
    if (/\[ArchiveMismatchError\]/.test(words)) return "Identity";
    if (/\[ArchiveDuplicateError\]/.test(words)) return "Duplicate";
  }
  return kindOfCode[code] ?? "Failed";
}
