// Decides what to do with our certificates next: pure, one step of the authority at a time. The order is what keeps every
// handshake working although no party learns of a change at the same moment as another: trust is published first and
// everywhere, then, after a time of grace, it is used, and what is no longer used is dropped last, after grace again.
//
//             2/3 of its life              seen for a time of grace         every leaf renewed, grace again
//   stable ────────────────▶ published ───────────────────────▶ switched ───────────────────────▶ stable
//   A signs, A trusted       A signs, A and B trusted           B signs, A and B trusted          B signs, B trusted
//
// Clocks jump. Grace is therefore not a difference of times but how long we have seen the Secrets unchanged
// (`unchangedForMs`, monotonic). A successor and a leaf begin when the issuer does, not when they are made, so that what
// a clock that runs ahead makes is valid for everyone else too. What is not valid now, too early or too late, is replaced.

export interface CertificatePolicy {
  readonly authorityLifeMs: number;
  /** At most a third of the authority's, so that a leaf never ends after its authority. */
  readonly leafLifeMs: number;
  /** A first authority begins this much before it is made, for peers whose clocks are behind. */
  readonly backdateMs: number;
  /** How long each party may take to load a changed Secret. */
  readonly graceMs: number;
}

const dayMs = 86_400_000;
/** Nobody tells when a Secret is deleted or overwritten, for they are not watched; clocks jump as well. */
const lookEveryMs = 60_000;

export const usualPolicy: CertificatePolicy = {
  authorityLifeMs: 365 * dayMs,
  leafLifeMs: 90 * dayMs,
  backdateMs: dayMs,
  graceMs: 10 * 60_000,
};

/** Times in milliseconds since the epoch. */
export interface SeenCertificate {
  /** SHA-256 fingerprint. */
  readonly id: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface SeenLeaf {
  readonly name: string;
  /** undefined: there is none, or it cannot be read, or the key is not its own. */
  readonly certificate?: SeenCertificate;
  /** Names and usage are the wanted ones. */
  readonly fits: boolean;
  /** Id of the trusted certificate that signed it; undefined: none of them. */
  readonly signedBy?: string;
  /** Ids of the authorities that its Secret publishes. */
  readonly publishes: readonly string[];
}

export interface SeenCertificates {
  readonly now: number;
  /** For how long all Secrets have looked as they look now, by our own monotonic clock. */
  readonly unchangedForMs: number;
  /** Signs new leaves; undefined: there is none with a usable key. */
  readonly issuer?: SeenCertificate;
  /** Will sign next. */
  readonly successor?: SeenCertificate;
  /** All authorities that are to be trusted, issuer and successor included. */
  readonly trusted: readonly SeenCertificate[];
  readonly leaves: readonly SeenLeaf[];
}

export type CertificateStep =
  /** A new issuer at once; the authorities in `keep` stay trusted. */
  | { readonly kind: "createIssuer"; readonly keep: readonly string[]; readonly why: string }
  | { readonly kind: "publishSuccessor"; readonly why: string }
  | { readonly kind: "promoteSuccessor"; readonly why: string }
  | { readonly kind: "dropAuthorities"; readonly keep: readonly string[]; readonly why: string }
  | { readonly kind: "issueLeaf"; readonly leaf: string; readonly why: string }
  /** Writes the trusted authorities into the leaf's Secret, leaving certificate and key as they are. */
  | { readonly kind: "publishTrust"; readonly leaf: string; readonly why: string };

export interface CertificatePlan {
  /** Either one step of the authority or any number of leaves; when done, observe and plan again. */
  readonly steps: readonly CertificateStep[];
  /** When to plan again though nothing changed; at most a minute. */
  readonly checkAfterMs: number;
}

export function planCertificates(seen: SeenCertificates, policy: CertificatePolicy): CertificatePlan {
  const step = planIssuer(seen);
  if (step !== undefined) return { steps: [step], checkAfterMs: 0 };
  const leafSteps = seen.leaves.flatMap((leaf) => planLeaf(leaf, seen, policy) ?? []);
  if (leafSteps.length > 0) return { steps: leafSteps, checkAfterMs: 0 };
  const rotation = planRotation(seen, policy);
  if (rotation !== undefined) return { steps: [rotation], checkAfterMs: 0 };
  return { steps: [], checkAfterMs: nextCheck(seen, policy) };
}

const isValid = (certificate: SeenCertificate, now: number): boolean =>
  certificate.notBefore <= now && now < certificate.notAfter;

const whyInvalid = (certificate: SeenCertificate, now: number): string =>
  now < certificate.notBefore ? "is not valid yet" : "has expired";

/** After two thirds of its life: when only a third is left. */
const renewAt = ({ notAfter }: SeenCertificate, lifeMs: number): number => notAfter - lifeMs / 3;

const idsOf = (certificates: readonly SeenCertificate[]): readonly string[] => certificates.map(({ id }) => id);

const sameIds = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((id) => b.includes(id));

/** Without a valid issuer no handshake works, so nothing is lost by acting at once. */
function planIssuer({ issuer, successor, trusted, now }: SeenCertificates): CertificateStep | undefined {
  if (issuer !== undefined && isValid(issuer, now)) return undefined;
  const what = issuer === undefined ? "there is no usable authority" : `the authority ${whyInvalid(issuer, now)}`;
  if (successor !== undefined && isValid(successor, now))
    return { kind: "promoteSuccessor", why: `${what}, and its successor is already published` };
  return { kind: "createIssuer", keep: idsOf(trusted.filter((other) => isValid(other, now))), why: what };
}

function planLeaf(leaf: SeenLeaf, seen: SeenCertificates, policy: CertificatePolicy): CertificateStep | undefined {
  const { issuer, trusted, now } = seen;
  const issue = (why: string): CertificateStep => ({ kind: "issueLeaf", leaf: leaf.name, why });
  const { certificate } = leaf;
  if (certificate === undefined) return issue("there is no usable certificate and key");
  if (!leaf.fits) return issue("its names or usage are not the wanted ones");
  if (!isValid(certificate, now)) return issue(`it ${whyInvalid(certificate, now)}`);
  if (issuer === undefined || leaf.signedBy !== issuer.id) return issue("it was not signed by the current authority");
  // One that ends with its authority cannot be made to last longer before the authority is replaced.
  if (now >= renewAt(certificate, policy.leafLifeMs) && certificate.notAfter < issuer.notAfter)
    return issue("two thirds of its life are over");
  // Not for less: a clock that ran ahead when it was made is no reason.
  if (certificate.notAfter - now > 2 * policy.leafLifeMs) return issue("it would live longer than is wanted now");
  if (!sameIds(leaf.publishes, idsOf(trusted)))
    return { kind: "publishTrust", leaf: leaf.name, why: "the trusted authorities changed" };
  return undefined;
}

/** Called only when every leaf is in order, so each Secret publishes all that is trusted. */
function planRotation(seen: SeenCertificates, policy: CertificatePolicy): CertificateStep | undefined {
  const { issuer, successor, trusted, now } = seen;
  if (issuer === undefined) return undefined;
  const isSettled = seen.unchangedForMs >= policy.graceMs;
  const keep = idsOf([issuer, ...(successor === undefined ? [] : [successor])]);
  if (trusted.length > keep.length) {
    if (!isSettled) return undefined;
    return { kind: "dropAuthorities", keep, why: "no certificate of theirs has been in use for a time of grace" };
  }
  if (successor === undefined)
    return now >= renewAt(issuer, policy.authorityLifeMs)
      ? { kind: "publishSuccessor", why: "two thirds of the authority's life are over" }
      : undefined;
  if (!isValid(successor, now))
    return { kind: "publishSuccessor", why: `the published successor ${whyInvalid(successor, now)}` };
  if (!isSettled) return undefined;
  return { kind: "promoteSuccessor", why: "the successor has been published for a time of grace" };
}

function nextCheck(seen: SeenCertificates, policy: CertificatePolicy): number {
  const { issuer, successor, trusted, leaves, now, unchangedForMs } = seen;
  const renewals = leaves.flatMap(({ certificate }) =>
    certificate === undefined ? [] : [renewAt(certificate, policy.leafLifeMs) - now],
  );
  if (issuer !== undefined) renewals.push(renewAt(issuer, policy.authorityLifeMs) - now);
  // What is overdue already waits for something else: a rotation, and that for grace.
  const waits = renewals.filter((ms) => ms > 0);
  if (successor !== undefined || trusted.length > 1) waits.push(policy.graceMs - unchangedForMs);
  return Math.max(0, Math.min(lookEveryMs, ...waits));
}
