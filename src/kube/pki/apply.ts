// Carries out one step of a certificate plan on the content of the Secrets: contents in, contents out, nothing written.
import { X509Certificate } from "node:crypto";
import { issueAuthority, issueLeaf } from "./issue.ts";
import type { CertificateContents, WantedLeaf } from "./observe.ts";
import { parseCertificate } from "./pem.ts";
import type { CertificatePolicy, CertificateStep } from "./plan.ts";
import type { AuthorityContent, KeyPair, LeafContent } from "./secret-shape.ts";

export interface StepContext {
  readonly wanted: readonly WantedLeaf[];
  readonly policy: CertificatePolicy;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export async function applyStep(
  contents: CertificateContents,
  step: CertificateStep,
  context: StepContext,
): Promise<CertificateContents> {
  const { authority, leaves } = contents;
  if (!("leaf" in step)) return { authority: await nextAuthority(authority, step, context), leaves };
  const leaf = await nextLeaf(contents, step, context);
  return { authority, leaves: new Map(leaves).set(step.leaf, leaf) };
}

type AuthorityStep = Exclude<CertificateStep, { readonly leaf: string }>;
type LeafStep = Extract<CertificateStep, { readonly leaf: string }>;

async function nextAuthority(
  authority: AuthorityContent,
  step: AuthorityStep,
  { policy, now }: StepContext,
): Promise<AuthorityContent> {
  const { issuer, successor, trusted } = authority;
  const notAfter = new Date(now + policy.authorityLifeMs);
  if (step.kind === "createIssuer") {
    const made = await issueAuthority({ notBefore: new Date(now - policy.backdateMs), notAfter });
    return { issuer: made, trusted: [made.certificate, ...kept(trusted, step.keep)] };
  }
  if (step.kind === "publishSuccessor") {
    const made = await issueAuthority({ notBefore: beginOf(present(issuer, step)), notAfter });
    return { ...authority, successor: made, trusted: [...without(trusted, successor), made.certificate] };
  }
  if (step.kind === "promoteSuccessor") {
    const promoted = present(successor, step);
    return { issuer: promoted, trusted: [promoted.certificate, ...without(trusted, promoted)] };
  }
  return { ...authority, trusted: kept(trusted, step.keep) };
}

async function nextLeaf(
  { authority, leaves }: CertificateContents,
  step: LeafStep,
  { wanted, policy, now }: StepContext,
): Promise<LeafContent> {
  const { trusted } = authority;
  if (step.kind === "publishTrust") return { pair: present(leaves.get(step.leaf)?.pair, step), trusted };
  const issuer = present(authority.issuer, step);
  const { usage, dnsNames } = present(
    wanted.find(({ name }) => name === step.leaf),
    step,
  );
  const validity = { notBefore: beginOf(issuer), notAfter: new Date(now + policy.leafLifeMs) };
  return { pair: await issueLeaf(issuer, { usage, dnsNames, ...validity }), trusted };
}

/** A plan is made for contents; carrying it out on others is a mistake in the calling code. */
function present<T>(value: T | undefined, step: CertificateStep): T {
  if (value === undefined) throw new TypeError(`the step ${step.kind} does not belong to these contents`);
  return value;
}

const kept = (trusted: readonly string[], ids: readonly string[]): readonly string[] =>
  trusted.filter((pem) => ids.includes(parseCertificate(pem)?.fingerprint256 ?? ""));

const without = (trusted: readonly string[], pair: KeyPair | undefined): readonly string[] =>
  trusted.filter((pem) => pem !== pair?.certificate);

const beginOf = (pair: KeyPair): Date => new X509Certificate(pair.certificate).validFromDate;
