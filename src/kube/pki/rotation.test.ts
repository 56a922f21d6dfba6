// Years of renewal in simulated time: every party loads what was published late, though within the time of grace, and
// the leader's clock jumps. At every moment both ends must be able to verify each other.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CertificatePolicy, type CertificateStep, planCertificates, type SeenCertificate } from "./plan.ts";

const policy: CertificatePolicy = { authorityLifeMs: 9000, leafLifeMs: 3000, backdateMs: 1000, graceMs: 100 };
const tickMs = 10;

interface Leaf extends SeenCertificate {
  readonly signedBy: string;
}
/** What a Secret holds: a leaf and the authorities to trust. */
interface Published {
  readonly leaf?: Leaf;
  readonly trusted: readonly SeenCertificate[];
}

/** The Secrets, and the steps of a plan as pkg apply.ts does them, without cryptography. */
class World {
  trueTime = 1_000_000;
  leaderClockAheadMs = 0;
  issuer: SeenCertificate | undefined;
  successor: SeenCertificate | undefined;
  trusted: readonly SeenCertificate[] = [];
  readonly leaves: Record<string, Published> = { server: { trusted: [] }, client: { trusted: [] } };
  readonly kinds = new Set<string>();
  #unchangedSince = 0;
  #made = 0;

  get #now(): number {
    return this.trueTime + this.leaderClockAheadMs;
  }

  /** The leader's pass. */
  keep(): void {
    for (let round = 0; round < 8; round++) {
      const leaves = Object.entries(this.leaves).map(([name, { leaf, trusted }]) => ({
        name,
        fits: true,
        publishes: trusted.map(({ id }) => id),
        ...(leaf !== undefined && { certificate: leaf, signedBy: leaf.signedBy }),
      }));
      const { issuer, successor, trusted } = this;
      const unchangedForMs = this.trueTime - this.#unchangedSince;
      const authority = { ...(issuer && { issuer }), ...(successor && { successor }), trusted };
      const { steps } = planCertificates({ now: this.#now, unchangedForMs, leaves, ...authority }, policy);
      if (steps.length === 0) return;
      for (const step of steps) this.#apply(step);
      this.#unchangedSince = this.trueTime;
    }
    throw new Error("the plan does not come to an end");
  }

  #apply(step: CertificateStep): void {
    this.kinds.add(step.kind);
    const notAfter = this.#now + policy.authorityLifeMs;
    switch (step.kind) {
      case "createIssuer":
        this.issuer = { id: `ca${++this.#made}`, notBefore: this.#now - policy.backdateMs, notAfter };
        this.trusted = [this.issuer, ...this.trusted.filter(({ id }) => step.keep.includes(id))];
        this.successor = undefined;
        return;
      case "publishSuccessor":
        this.successor = { id: `ca${++this.#made}`, notBefore: this.issuer!.notBefore, notAfter };
        this.trusted = [...this.trusted, this.successor];
        return;
      case "promoteSuccessor":
        this.issuer = this.successor;
        this.successor = undefined;
        return;
      case "dropAuthorities":
        this.trusted = this.trusted.filter(({ id }) => step.keep.includes(id));
        return;
      case "publishTrust":
        this.leaves[step.leaf] = { ...this.leaves[step.leaf], trusted: this.trusted };
        return;
      case "issueLeaf": {
        const { id: signedBy, notBefore, notAfter: end } = this.issuer!;
        const leaf = {
          id: `leaf${++this.#made}`,
          signedBy,
          notBefore,
          notAfter: Math.min(end, this.#now + policy.leafLifeMs),
        };
        this.leaves[step.leaf] = { leaf, trusted: this.trusted };
      }
    }
  }
}

/** A party's copy of a Secret; it loads each version late, but in order. */
class View {
  readonly #name: string;
  readonly #coming: { readonly at: number; readonly what: Published }[] = [];
  held: Published | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  load(world: World, lagMs: number): void {
    const what = world.leaves[this.#name]!;
    this.held ??= what;
    const newest = this.#coming.at(-1);
    const at = Math.max(world.trueTime + lagMs, newest?.at ?? 0);
    if ((newest?.what ?? this.held) !== what) this.#coming.push({ at, what });
    while ((this.#coming[0]?.at ?? Infinity) <= world.trueTime) this.held = this.#coming.shift()?.what;
  }
}

const isValid = ({ notBefore, notAfter }: SeenCertificate, at: number): boolean => notBefore <= at && at < notAfter;

/** Whether who trusts `roots` accepts `leaf` at the true time. */
const verifies = (leaf: Leaf | undefined, roots: Published | undefined, at: number): boolean => {
  const root = roots?.trusted.find(({ id }) => id === leaf?.signedBy);
  return leaf !== undefined && root !== undefined && isValid(leaf, at) && isValid(root, at);
};

describe("renewal", () => {
  /** `lag` and `jump` come from fast-check, one a tick; returns the failed handshakes. */
  function simulate(lags: readonly number[], jumps: readonly number[]): { world: World; failures: string[] } {
    const world = new World();
    world.keep();
    const views = [new View("server"), new View("server"), new View("server"), new View("client")] as const;
    const failures: string[] = [];
    for (let tick = 0; tick < 3000; tick++) {
      world.trueTime += tickMs;
      world.leaderClockAheadMs = jumps[Math.floor(tick / 50) % jumps.length]!;
      world.keep();
      for (const [index, view] of views.entries()) view.load(world, lags[(tick + index) % lags.length]!);
      // CNPG trusts what stands in the server's Secret and shows what stands in the client's, each as it has it by now.
      const [first, second, roots, client] = views.map(({ held }) => held);
      for (const [name, server] of Object.entries({ first, second })) {
        if (!verifies(server?.leaf, roots, world.trueTime)) failures.push(`${tick} ${name} is refused`);
        if (!verifies(client?.leaf, server, world.trueTime)) failures.push(`${tick} ${name} refuses the client`);
      }
    }
    return { world, failures };
  }

  const lags = fc.array(fc.integer({ min: 0, max: policy.graceMs - 2 * tickMs }), { minLength: 7, maxLength: 31 });

  it("never breaks a handshake, however late each party is within grace", () => {
    fc.assert(
      fc.property(lags, (lagMs) => {
        const { world, failures } = simulate(lagMs, [0]);
        expect(failures).toEqual([]);
        expect([...world.kinds].toSorted()).toEqual([
          "createIssuer",
          "dropAuthorities",
          "issueLeaf",
          "promoteSuccessor",
          "publishSuccessor",
          "publishTrust",
        ]);
      }),
      { numRuns: 20 },
    );
  });

  it("never breaks a handshake while the leader's clock jumps to and fro", () => {
    // From behind to ahead by less than the third of an authority's life that is left when it is renewed: a clock that
    // leaps over all of it finds the authority expired, and what is made at once then begins in the future.
    const jumps = fc.array(fc.integer({ min: -400, max: 2300 }), { minLength: 3, maxLength: 9 });
    fc.assert(
      fc.property(lags, jumps, (lagMs, jumpMs) => {
        expect(simulate(lagMs, [0, ...jumpMs]).failures).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});
