// What pgBackRest says of one repository, in few states that say what to do about it. Pure. `info` ends well whatever it
// met, so the state is in the number and the words of its answer (pgBackRest: src/command/info/info.c, status codes).
import { StoreError, type StoreErrorKind } from "#store/errors.ts";

const repositoryStates = [
  "Ok",
  "NoBackup", // the stanza is there, without any backup
  "NoStanza", // the repository was read, and the stanza is not in it
  "Unreachable", // it did not answer
  "Refused", // it answered and does not let us in: wrong login, wrong passphrase
  "Unknown", // anything else
] as const;
export type RepositoryState = (typeof repositoryStates)[number];

export interface RepositoryStatus {
  /** pgBackRest's number; absent when it gave no answer at all. */
  readonly code?: number;
  /** In one line. */
  readonly message: string;
  /** What kind of failure it tells of, if any. */
  readonly problem?: StoreErrorKind;
}

/** States in which the listing is true: what it does not name is not there. */
export const isTrusted = (state: RepositoryState): boolean =>
  state === "Ok" || state === "NoBackup" || state === "NoStanza";

/** 6 is the answer to a question for one backup. 3: one of the two info files is missing, which proves nothing. */
const stateOfCode: Readonly<Record<number, RepositoryState>> = { 0: "Ok", 1: "NoStanza", 2: "NoBackup", 6: "Ok" };

export function statusOf(text: string, code?: number): RepositoryStatus {
  const problem = code !== undefined && stateOfCode[code] !== undefined ? undefined : problemOf(text);
  return { ...(code !== undefined && { code }), message: inOneLine(text), ...(problem && { problem }) };
}

export function stateOf({ code, problem }: RepositoryStatus): RepositoryState {
  const known = code === undefined ? undefined : stateOfCode[code];
  if (known !== undefined) return known;
  if (problem === "AccessDenied") return "Refused";
  return problem !== undefined && outages.has(problem) ? "Unreachable" : "Unknown";
}

const outages: ReadonlySet<StoreErrorKind> = new Set([
  "EndpointUnreachable",
  "DNSFailure",
  "TLSVerificationFailed",
  "Throttled",
  "Unavailable",
]);

const tlsWords = /(?:verify|CA|in) certificate|TLS error|SSL error/;

/** In this order: an answer of S3 names its code beside the number of HTTP. */
const words: readonly (readonly [RegExp, StoreErrorKind])[] = [
  [/NoSuchBucket|ContainerNotFound/, "NoSuchBucket"],
  [/RequestTimeTooSkewed/, "ClockSkew"],
  [/AuthorizationHeaderMalformed|PermanentRedirect|AuthorizationQueryParametersError/, "RegionMismatch"],
  [/\[AccessError\]|\b40[13] \(|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch/, "AccessDenied"],
  [/AuthenticationFailed|InvalidToken|ExpiredToken|AuthorizationFailure/, "AccessDenied"],
  [/SlowDown|\b429 \(|ServerBusy|TooManyRequests/, "Throttled"],
  [/unable to get address for|Name or service not known|name resolution/i, "DNSFailure"],
  [tlsWords, "TLSVerificationFailed"],
  [
    /\[HostConnectError\]|timeout|timed out|was not through|unable to connect|unexpected eof|did not answer/i,
    "EndpointUnreachable",
  ],
  [/\[FileReadError\]|\[FileWriteError\]|Connection reset/i, "EndpointUnreachable"],
  [/\[ServiceError\]|\b5\d\d \(/, "Unavailable"],
];

export const isTlsProblem = (text: string): boolean => tlsWords.test(text.split("\n")[0] ?? "");

/**
 * A wrong passphrase is seldom told as such: mostly decryption gives bytes that are no text, in which no section of an info
 * file comes first (tried with 2.45 to 2.60); at whatever line, for empty ones before it are passed over. "Salted__" begins
 * what was encrypted, read without a passphrase. A certificate that is not trusted is a CryptoError as well.
 */
export const isUndecrypted = (text: string): boolean =>
  !isTlsProblem(text) && /CryptoError|Salted__|it cannot be decrypted|found outside of section at line \d+:/.test(text);

/** The kind of a failure of storage that pgBackRest's words tell of; all of them, not one line. */
export const problemOf = (text: string): StoreErrorKind | undefined =>
  isUndecrypted(text) ? "AccessDenied" : words.find(([pattern]) => pattern.test(text))?.[1];

/** Where the Stanza says what the provider does not like. */
const mends: Partial<Readonly<Record<StoreErrorKind, string>>> = {
  NoSuchBucket: "create the bucket, or correct its name in the Stanza",
  AccessDenied: "compare the repository's secretRef with the login that the provider gave, and with its rights there",
  RegionMismatch: "correct the repository's region",
  TLSVerificationFailed: "give the authority of the endpoint's certificate in endpointCA",
};

/** The same in Azure, known by its codes. */
const azureMends: readonly (readonly [RegExp, string])[] = [
  [/ContainerNotFound/, "make the container, or correct container"],
  [
    /AuthenticationFailed|AuthorizationFailure|AuthorizationPermissionMismatch/,
    "compare secretRef.keyReference with the keys of the account; a shared access signature needs read, write, delete and list, and ends at its time",
  ],
];

/** What to do about it, in the words of the Stanza. A refused passphrase looks like a refused login, and has another mend. */
export function mendOf(text: string): string | undefined {
  if (isUndecrypted(text))
    return "compare cipherConfig.encryptionPass with the passphrase that the repository was made with";
  const problem = problemOf(text);
  return problem && (azureMends.find(([code]) => code.test(text))?.[1] ?? mends[problem]);
}

/** "repository 2 of stanza main: [HostConnectError] unable to connect to …" as the port's error. `text`: all its words. */
export function repositoryError(
  { stanza, key }: { readonly stanza: string; readonly key: number },
  text: string,
  cause?: unknown,
): StoreError {
  const hint = mendOf(text);
  return new StoreError(problemOf(text) ?? "Unavailable", `repository ${key} of stanza ${stanza}: ${inOneLine(text)}`, {
    ...(cause !== undefined && { cause }),
    ...(hint !== undefined && { hint }),
  });
}

const undecrypted = "it cannot be decrypted, so the passphrase is wrong or missing";

/** A shared access signature that pgBackRest cannot read is quoted by it. */
export const quotedSignature = /(invalid key\/value).*/s;

/**
 * One line of what may be many: pgBackRest adds a whole HTTP request and answer. Of those only the provider's code is
 * kept, so that nothing of a request gets into a status.
 */
export function inOneLine(text: string): string {
  const code = /<Code>(\w{1,64})<\/Code>/.exec(text)?.[1];
  const first = (text.split("\n").find((part) => part.trim() !== "") ?? "").trim();
  const line = first.replace(/:$/, "").replace(quotedSignature, "$1");
  const printable = line.replaceAll(/[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffc]/g, "?").slice(0, 300);
  const more = isUndecrypted(text) ? undecrypted : code;
  return more === undefined || printable.includes(more) ? printable : `${printable}: ${more}`;
}
