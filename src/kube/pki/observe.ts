// Reads the content of our Secrets as facts for the plan: what is there, who signed it, whether the key belongs to it.
// What cannot be read counts as absent, so that it is made anew.
import { createPrivateKey, type X509Certificate } from "node:crypto";
import { type LeafUsage, usageOids } from "./issue.ts";
import { parseCertificate } from "./pem.ts";
import type { SeenCertificate, SeenCertificates, SeenLeaf } from "./plan.ts";
import type { AuthorityContent, KeyPair, LeafContent } from "./secret-shape.ts";

export interface WantedLeaf {
  readonly name: string;
  readonly usage: LeafUsage;
  readonly dnsNames: readonly [string, ...string[]];
}

export interface CertificateContents {
  readonly authority: AuthorityContent;
  /** By the name of the wanted leaf. */
  readonly leaves: ReadonlyMap<string, LeafContent>;
}

export function observeCertificates(
  contents: CertificateContents,
  wanted: readonly WantedLeaf[],
  time: { readonly now: number; readonly unchangedForMs: number },
): SeenCertificates {
  const { authority } = contents;
  const trusted = authority.trusted.flatMap((pem) => parseCertificate(pem) ?? []);
  const issuer = usablePair(authority.issuer, (certificate) => certificate.ca);
  const successor = usablePair(authority.successor, (certificate) => certificate.ca);
  const isTrusted = (certificate: X509Certificate): boolean =>
    trusted.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256);
  return {
    ...time,
    ...(issuer !== undefined && isTrusted(issuer) && { issuer: seenOf(issuer) }),
    ...(successor !== undefined && isTrusted(successor) && { successor: seenOf(successor) }),
    trusted: trusted.map(seenOf),
    leaves: wanted.map((leaf) => observeLeaf(leaf, contents.leaves.get(leaf.name), trusted)),
  };
}

function observeLeaf(
  wanted: WantedLeaf,
  content: LeafContent | undefined,
  trusted: readonly X509Certificate[],
): SeenLeaf {
  const { name } = wanted;
  const publishes = (content?.trusted ?? []).flatMap((pem) => parseCertificate(pem)?.fingerprint256 ?? []);
  const certificate = usablePair(content?.pair, ({ ca }) => !ca);
  if (certificate === undefined) return { name, fits: false, publishes };
  const signer = trusted.find((other) => certificate.checkIssued(other) && certificate.verify(other.publicKey));
  return {
    name,
    certificate: seenOf(certificate),
    fits: fits(certificate, wanted),
    ...(signer !== undefined && { signedBy: signer.fingerprint256 }),
    publishes,
  };
}

function fits(certificate: X509Certificate, { usage, dnsNames }: WantedLeaf): boolean {
  const names = (certificate.subjectAltName ?? "").split(", ");
  const hasNames = names.length === dnsNames.length && dnsNames.every((name) => names.includes(`DNS:${name}`));
  return hasNames && (certificate.keyUsage ?? []).includes(usageOids[usage]);
}

function usablePair(
  pair: KeyPair | undefined,
  isRight: (certificate: X509Certificate) => boolean,
): X509Certificate | undefined {
  const certificate = pair === undefined ? undefined : parseCertificate(pair.certificate);
  if (pair === undefined || certificate === undefined || !isRight(certificate)) return undefined;
  try {
    return certificate.checkPrivateKey(createPrivateKey(pair.key)) ? certificate : undefined;
  } catch {
    return undefined;
  }
}

const seenOf = (certificate: X509Certificate): SeenCertificate => ({
  id: certificate.fingerprint256,
  notBefore: certificate.validFromDate.getTime(),
  notAfter: certificate.validToDate.getTime(),
});
