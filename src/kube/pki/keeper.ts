// Keeps the certificates in their Secrets up to date: reads, plans, makes, writes, until the plan is empty. Run by the
// leader; the lock of each write is the resourceVersion that was read, so a former leader cannot undo what its successor did.
import { createHash } from "node:crypto";
import { withDeadline } from "#std/abort.ts";
import type { Logger } from "#observe/logger.ts";
import type { KubeClient } from "../client.ts";
import type { KubeObject, Resource } from "../object.ts";
import { applyStep } from "./apply.ts";
import { type CertificateContents, observeCertificates, type WantedLeaf } from "./observe.ts";
import { joinCertificates } from "./pem.ts";
import { type CertificatePolicy, type CertificateStep, planCertificates, usualPolicy } from "./plan.ts";
import { decodeAuthority, decodeLeaf, encodeAuthority, encodeLeaf, type SecretData } from "./secret-shape.ts";

export const secrets: Resource = { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };

export interface Secret extends KubeObject {
  readonly type?: string;
  readonly data?: SecretData;
}

export interface CertificateKeeperOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Name of the Secret with the authority's key; nobody but the operator reads it. */
  readonly authoritySecret: string;
  /** `name` is the name of its Secret. */
  readonly leaves: readonly WantedLeaf[];
  readonly logger: Logger;
  readonly policy?: CertificatePolicy;
  /** Put on the Secrets that are made. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Publishes the trusted authorities (PEM) where they stand outside our Secrets: the caBundle of webhooks. Called on
   * each pass, before anything that depends on it; nothing is switched or dropped until it has succeeded. What does not
   * depend on it is made all the same: CNPG must not go without because a webhook does.
   */
  readonly publishTrust?: (bundle: string, signal: AbortSignal) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Monotonic milliseconds. */
  readonly monotonicNow?: () => number;
}

export interface CertificateKeeper {
  /** One pass; returns after how many milliseconds the next is due. Throws KubeError "Conflict" when another writes too. */
  keep(signal: AbortSignal): Promise<number>;
}

/** From nothing: an authority, then the leaves. The worst case (expired, switched, leaves, dropped) needs fewer than these. */
const roundsMax = 8;

export function createCertificateKeeper(options: CertificateKeeperOptions): CertificateKeeper {
  const { client, namespace, leaves, logger, policy = usualPolicy } = options;
  const now = options.now ?? (() => Date.now());
  const monotonicNow = options.monotonicNow ?? (() => performance.now());
  let unchanged: { readonly digest: string; readonly since: number } | undefined;

  async function read(signal: AbortSignal): Promise<Map<string, Secret>> {
    const found = new Map<string, Secret>();
    for (const name of [options.authoritySecret, ...leaves.map((leaf) => leaf.name)]) {
      const secret = await client.get<Secret>(secrets, { namespace, name }, { signal });
      if (secret !== undefined) found.set(name, secret);
    }
    return found;
  }

  async function write(name: string, data: SecretData, existing: Secret | undefined, signal: AbortSignal) {
    if (existing !== undefined) return client.replace<Secret>(secrets, { ...existing, data }, { signal });
    const metadata = { name, namespace, ...(options.labels !== undefined && { labels: options.labels }) };
    return client.create<Secret>(secrets, { metadata, type: "kubernetes.io/tls", data }, { signal });
  }

  /** Begins to count anew whenever the content changed; only called once all of it is published. */
  function unchangedForMs(digest: string): number {
    if (unchanged?.digest !== digest) unchanged = { digest, since: monotonicNow() };
    return monotonicNow() - unchanged.since;
  }

  /** What stood in the way. */
  async function publish(trusted: readonly string[], signal: AbortSignal): Promise<Error | undefined> {
    if (trusted.length === 0) return undefined;
    try {
      await options.publishTrust?.(joinCertificates(trusted), signal);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async function apply(
    found: ReadonlyMap<string, Secret>,
    contents: CertificateContents,
    step: CertificateStep,
    signal: AbortSignal,
  ): Promise<void> {
    const next = await applyStep(contents, step, { wanted: leaves, policy, now: now() });
    const leaf = "leaf" in step ? next.leaves.get(step.leaf) : undefined;
    const name = "leaf" in step ? step.leaf : options.authoritySecret;
    await write(name, leaf === undefined ? encodeAuthority(next.authority) : encodeLeaf(leaf), found.get(name), signal);
    logger.info({ kind: "Secret", namespace, name, action: step.kind, why: step.why }, "certificates changed");
  }

  return {
    async keep(signal) {
      const limited = withDeadline(signal, 60_000);
      for (let round = 0; round < roundsMax; round++) {
        const found = await read(limited);
        const contents = decode(found, options);
        const obstacle = await publish(contents.authority.trusted, limited);
        if (obstacle !== undefined) unchanged = undefined; // grace begins when all is published
        const settledMs = obstacle === undefined ? unchangedForMs(digestOf(found)) : 0;
        const time = { now: now(), unchangedForMs: settledMs };
        const plan = planCertificates(observeCertificates(contents, leaves, time), policy);
        if (plan.steps.length === 0 && obstacle !== undefined) throw obstacle;
        if (plan.steps.length === 0) return plan.checkAfterMs;
        for (const step of plan.steps) await apply(found, contents, step, limited);
      }
      return 1000; // a wild clock; go on a little later
    },
  };
}

function decode(found: ReadonlyMap<string, Secret>, options: CertificateKeeperOptions): CertificateContents {
  const dataOf = (name: string): SecretData => found.get(name)?.data ?? {};
  return {
    authority: decodeAuthority(dataOf(options.authoritySecret)),
    leaves: new Map(options.leaves.map(({ name }) => [name, decodeLeaf(dataOf(name))])),
  };
}

function digestOf(found: ReadonlyMap<string, Secret>): string {
  const hash = createHash("sha256");
  for (const [name, { data }] of found) hash.update(JSON.stringify([name, data]));
  return hash.digest("hex");
}
