import { describe, expect, it } from "vitest";
import {
  type CertificateStep,
  planCertificates,
  type SeenCertificate,
  type SeenCertificates,
  usualPolicy,
} from "./plan.ts";

const day = 86_400_000;
const now = Date.UTC(2026, 10, 21);

const certificate = (id: string, ageDays: number, lifeDays: number): SeenCertificate => ({
  id,
  notBefore: now - ageDays * day,
  notAfter: now + (lifeDays - ageDays) * day,
});

const young = certificate("A", 10, 365);
const old = certificate("A", 250, 365);
const next = certificate("B", 250, 600);

/** All in order under one authority, unless `overrides` say otherwise. */
function seen(overrides: Partial<SeenCertificates> = {}): SeenCertificates {
  const issuer = overrides.issuer ?? young;
  const trusted = overrides.trusted ?? [issuer];
  return { now, unchangedForMs: day, issuer, trusted, leaves: [leaf({}, trusted)], ...overrides };
}

const leaf = (
  overrides: Partial<SeenCertificates["leaves"][number]> = {},
  trusted: readonly SeenCertificate[] = [young],
) => ({
  name: "server",
  certificate: certificate("S", 10, 90),
  fits: true,
  signedBy: "A",
  publishes: trusted.map(({ id }) => id),
  ...overrides,
});

const stepsOf = (state: SeenCertificates) =>
  planCertificates(state, usualPolicy).steps.map((step: CertificateStep) =>
    [step.kind, "leaf" in step ? step.leaf : "", "keep" in step ? step.keep.join("+") : ""].filter(Boolean).join(" "),
  );

const without = <T extends object, K extends keyof T>(object: T, key: K): Omit<T, K> => {
  const { [key]: _, ...rest } = object;
  return rest;
};

describe("the certificate plan", () => {
  const both = [old, next];
  const published = { issuer: old, successor: next, trusted: both, leaves: [leaf({}, both)] };
  const switched = { issuer: next, trusted: [next, old], leaves: [leaf({ signedBy: "B" }, both)] };

  it.each<[string, SeenCertificates, readonly string[]]>([
    ["makes an authority from nothing", { now, unchangedForMs: 0, trusted: [], leaves: [] }, ["createIssuer"]],
    ["issues a leaf that is missing", seen({ leaves: [without(leaf(), "certificate")] }), ["issueLeaf server"]],
    [
      "issues a leaf that lives much longer than is wanted now",
      seen({ leaves: [leaf({ certificate: certificate("S", 10, 200) })] }),
      ["issueLeaf server"],
    ],
    ["issues a leaf whose names changed", seen({ leaves: [leaf({ fits: false })] }), ["issueLeaf server"]],
    ["issues a leaf that nobody trusted signed", seen({ leaves: [without(leaf(), "signedBy")] }), ["issueLeaf server"]],
    [
      "leaves a leaf alone before two thirds of its life",
      seen({ leaves: [leaf({ certificate: certificate("S", 59, 90) })] }),
      [],
    ],
    [
      "renews a leaf after two thirds of its life",
      seen({ leaves: [leaf({ certificate: certificate("S", 61, 90) })] }),
      ["issueLeaf server"],
    ],
    [
      "replaces a leaf that has expired",
      seen({ leaves: [leaf({ certificate: certificate("S", 91, 90) })] }),
      ["issueLeaf server"],
    ],
    [
      "replaces a leaf that is not valid yet",
      seen({ leaves: [leaf({ certificate: certificate("S", -1, 90) })] }),
      ["issueLeaf server"],
    ],
    [
      "does not renew a leaf again that ends with its authority",
      seen({
        issuer: certificate("A", 340, 365),
        successor: next,
        trusted: both,
        unchangedForMs: 0,
        leaves: [leaf({ certificate: certificate("S", 65, 90) }, both)],
      }),
      [],
    ],
    ["publishes a successor after two thirds of the authority's life", seen({ issuer: old }), ["publishSuccessor"]],
    [
      "brings the published successor into each leaf's Secret",
      seen({ ...published, leaves: [leaf()] }),
      ["publishTrust server"],
    ],
    [
      "does not sign with the successor before grace is over",
      seen({ ...published, unchangedForMs: usualPolicy.graceMs - 1 }),
      [],
    ],
    ["signs with the successor when grace is over", seen(published), ["promoteSuccessor"]],
    ["renews leaves of the previous authority", seen({ ...switched, leaves: [leaf({}, both)] }), ["issueLeaf server"]],
    ["trusts the previous authority until grace is over", seen({ ...switched, unchangedForMs: 0 }), []],
    ["drops the previous authority when grace is over", seen(switched), ["dropAuthorities B"]],
    [
      "then publishes the new trust alone",
      seen({ issuer: next, trusted: [next], leaves: [leaf({ signedBy: "B" }, both)] }),
      ["publishTrust server"],
    ],
    [
      "replaces an expired authority at once, trusting what is still valid",
      seen({ issuer: certificate("A", 366, 365), trusted: [certificate("A", 366, 365), certificate("O", 300, 365)] }),
      ["createIssuer O"],
    ],
    [
      "promotes a published successor when the authority has expired, grace or not",
      seen({ ...published, issuer: certificate("A", 366, 365), unchangedForMs: 0 }),
      ["promoteSuccessor"],
    ],
    [
      "replaces an authority that is not valid yet: the clock was wrong when it was made",
      seen({ issuer: certificate("A", -3650, 365) }),
      ["createIssuer"],
    ],
    [
      "replaces a published successor that is not valid yet",
      seen({ ...published, successor: certificate("B", -100, 365) }),
      ["publishSuccessor"],
    ],
    [
      "never rotates while a leaf is not in order",
      seen({ ...published, leaves: [leaf({ fits: false }, both)] }),
      ["issueLeaf server"],
    ],
  ])("%s", (_, state, expected) => {
    expect(stepsOf(state)).toEqual(expected);
  });

  it("says when to look again: at the next renewal, after grace, and each minute in any case", () => {
    const checkAfter = (state: SeenCertificates) => planCertificates(state, usualPolicy).checkAfterMs;
    expect(checkAfter(seen())).toBe(60_000);
    const soon = { ...certificate("S", 60, 90), notAfter: now + 30 * day + 5000 };
    expect(checkAfter(seen({ leaves: [leaf({ certificate: soon })] }))).toBe(5000);
    expect(checkAfter(seen({ ...published, unchangedForMs: usualPolicy.graceMs - 2000 }))).toBe(2000);
  });

  it("says why", () => {
    expect(planCertificates(seen({ issuer: old }), usualPolicy).steps[0]?.why).toBe(
      "two thirds of the authority's life are over",
    );
  });
});
