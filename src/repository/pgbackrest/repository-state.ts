// What pgBackRest says of one repository, in few states that say what to do about it. Pure. `info` ends well whatever it
// met, so the state is in the number and the words of its answer (pgBackRest: src/command/info/info.c, status codes).
import { StoreError, type StoreErrorKind } from "#store/errors.ts";

export const repositoryStates = [
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
}

/** States in which the listing is true: what it does not name is not there. */
export const isTrusted = (state: RepositoryState): boolean =>
  state === "Ok" || state === "NoBackup" || state === "NoStanza";

/** 6 is the answer to a question for one backup. 3: one of the two info files is missing, which proves nothing. */
const stateOfCode: Readonly<Record<number, RepositoryState>> = { 0: "Ok", 1: "NoStanza", 2: "NoBackup", 6: "Ok" };

export function stateOf({ code, message }: RepositoryStatus): RepositoryState {
  const known = code === undefined ? undefined : stateOfCode[code];
  if (known !== undefined) return known;
  const problem = problemOf(message);
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

/** In this order: an answer of S3 names its code beside the number of HTTP. */
const words: readonly (readonly [RegExp, StoreErrorKind])[] = [
  [/NoSuchBucket|ContainerNotFound/, "NoSuchBucket"],
  [/RequestTimeTooSkewed/, "ClockSkew"],
  [/AuthorizationHeaderMalformed|PermanentRedirect|AuthorizationQueryParametersError/, "RegionMismatch"],
  [/\[CryptoError\]|\[AccessError\]|\b40[13] \(|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch/, "AccessDenied"],
  [/AuthenticationFailed|InvalidToken|ExpiredToken|AuthorizationFailure/, "AccessDenied"],
  [/SlowDown|\b429 \(|ServerBusy|TooManyRequests/, "Throttled"],
  [/unable to get address for|Name or service not known|name resolution/i, "DNSFailure"],
  [/certificate|TLS error|SSL error/i, "TLSVerificationFailed"],
  [
    /\[HostConnectError\]|timeout|timed out|was not through|unable to connect|unexpected eof|did not answer/i,
    "EndpointUnreachable",
  ],
  [/\[FileReadError\]|\[FileWriteError\]|Connection reset/i, "EndpointUnreachable"],
  [/\[ServiceError\]|\b5\d\d \(/, "Unavailable"],
];

/** The kind of a failure of storage that pgBackRest's words tell of. */
export const problemOf = (message: string): StoreErrorKind | undefined =>
  words.find(([pattern]) => pattern.test(message))?.[1];

/** "repository 2 of stanza main: [HostConnectError] unable to connect to …" as the port's error. */
export function repositoryError(
  { stanza, key }: { readonly stanza: string; readonly key: number },
  message: string,
  cause?: unknown,
): StoreError {
  const hint = /\[CryptoError\]/.test(message)
    ? "compare cipherConfig.encryptionPass with the passphrase that the repository was made with"
    : undefined;
  return new StoreError(problemOf(message) ?? "Unavailable", `repository ${key} of stanza ${stanza}: ${message}`, {
    ...(cause !== undefined && { cause }),
    ...(hint !== undefined && { hint }),
  });
}

/**
 * One line of what may be many: pgBackRest adds a whole HTTP request and answer. Of those only the provider's code is
 * kept, so that nothing of a request gets into a status.
 */
export function inOneLine(text: string): string {
  const code = /<Code>(\w{1,64})<\/Code>/.exec(text)?.[1];
  const line = (text.split("\n").find((part) => part.trim() !== "") ?? "").trim().replace(/:$/, "");
  const printable = line.replaceAll(/[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffc]/g, "?").slice(0, 300);
  return code === undefined || printable.includes(code) ? printable : `${printable}: ${code}`;
}
