import { beforeAll, describe, expect, it } from "vitest";
import { issueAuthority, issueLeaf } from "./issue.ts";
import { observeCertificates } from "./observe.ts";
import { decodeAuthority, decodeLeaf, encodeAuthority, encodeLeaf, type KeyPair } from "./secret-shape.ts";

const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 86_400_000) };
const wanted = { name: "s", usage: "server", dnsNames: ["holdfast", "holdfast.ns.svc"] } as const;
const time = { now: Date.now(), unchangedForMs: 0 };

let first: KeyPair;
let second: KeyPair;
let leaf: KeyPair;
beforeAll(async () => {
  first = await issueAuthority(validity);
  second = await issueAuthority(validity);
  leaf = await issueLeaf(first, { ...validity, ...wanted });
});

const observe = (
  pair: KeyPair,
  trusted: readonly string[],
  want: Parameters<typeof observeCertificates>[1][0] = wanted,
) => {
  const leaves = new Map([[want.name, { pair, trusted }]]);
  return observeCertificates({ authority: { issuer: first, trusted }, leaves }, [want], time);
};

describe("the shape of Secrets", () => {
  it("gives back what was put in", () => {
    const authority = { issuer: first, successor: second, trusted: [first.certificate, second.certificate] };
    expect(decodeAuthority(encodeAuthority(authority))).toEqual(authority);
    const content = { pair: leaf, trusted: authority.trusted };
    expect(decodeLeaf(encodeLeaf(content))).toEqual(content);
  });

  it("reads nothing from nothing", () => {
    expect(decodeAuthority({})).toEqual({ trusted: [] });
    expect(decodeLeaf({})).toEqual({ trusted: [] });
  });

  it("counts trust as published only when both of its places agree", () => {
    const data = encodeLeaf({ pair: leaf, trusted: [first.certificate, second.certificate] });
    const behind = encodeLeaf({ pair: leaf, trusted: [first.certificate] });
    expect(decodeLeaf({ ...data, "ca.crt": behind["ca.crt"]! }).trusted).toEqual([]);
  });
});

describe("what is seen of certificates", () => {
  it("is in order when key, names, usage and signer are", () => {
    const { issuer, leaves } = observe(leaf, [first.certificate]);
    expect(leaves[0]).toMatchObject({ fits: true, signedBy: issuer?.id, publishes: [issuer?.id] });
  });

  it("has no certificate where the key is another's or cannot be read", () => {
    expect(observe({ ...leaf, key: second.key }, [first.certificate]).leaves[0]).not.toHaveProperty("certificate");
    expect(observe({ ...leaf, key: "no key" }, [first.certificate]).leaves[0]).not.toHaveProperty("certificate");
    expect(observe({ ...leaf, certificate: "none" }, [first.certificate]).leaves[0]).not.toHaveProperty("certificate");
  });

  it("does not fit other names or another usage", () => {
    const fits = (want: Parameters<typeof observe>[2]) => observe(leaf, [first.certificate], want).leaves[0]?.fits;
    expect(fits({ ...wanted, dnsNames: ["holdfast"] })).toBe(false);
    expect(fits({ ...wanted, dnsNames: ["holdfast", "other"] })).toBe(false);
    expect(fits({ ...wanted, usage: "client" })).toBe(false);
  });

  it("has no signer outside of those that are trusted, and no issuer that is not", () => {
    const { issuer, leaves } = observe(leaf, [second.certificate]);
    expect(issuer).toBeUndefined();
    expect(leaves[0]).not.toHaveProperty("signedBy");
  });

  it("ends no later than the authority", async () => {
    const long = { ...validity, notAfter: new Date(Date.now() + 10 * 86_400_000) };
    const { leaves, issuer } = observe(await issueLeaf(first, { ...long, ...wanted }), [first.certificate]);
    expect(leaves[0]?.certificate?.notAfter).toBe(issuer?.notAfter);
  });
});
