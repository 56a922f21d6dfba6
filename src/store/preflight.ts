// Finds out what a store lets us do and where exactly it fails: one named check after the other, each with its latency.
// What comes after a check that did not pass is not run, and says so.
import { isIP } from "node:net";
import { within, withDeadline } from "#std/abort.ts";
import {
  attempt,
  checkNames,
  failed,
  inOrder,
  isGood,
  notRun,
  notRunAfter,
  passed,
  stated,
  type Check,
  type CheckName,
  type Outcome,
} from "./check.ts";
import { StoreError } from "./errors.ts";
import { judgeAccess } from "./preflight-access.ts";
import { checkCanary } from "./preflight-canary.ts";
import type { StoreProbe } from "./probe.ts";
import type { CallOptions, ObjectStore } from "./store.ts";

/** For all of it; removing what it wrote has a few seconds more. */
const preflightMs = 20_000;
/** For each step that is not a request of the store itself, which has deadlines of its own. */
const stepMs = 3_000;
const connectMs = 5_000;

export interface PreflightOptions extends CallOptions {
  /** Of the object that is written and removed. */
  readonly key: string;
}

/** Every check once, in the order of `checkNames`, but for those that the store has no provider to ask for. */
export async function preflight(store: ObjectStore, options: PreflightOptions): Promise<readonly Check[]> {
  const { key, signal: caller } = options;
  const signal = withDeadline(caller, preflightMs);
  const { probe } = store;
  const checks: Check[] = [];
  if (probe !== undefined) checks.push(...(await checkNetwork(probe, caller, signal)));
  const stopped = checks.find((check) => check.status !== "NotRun" && !isGood(check));
  if (stopped !== undefined) return withRest(checks, stopped.name);
  checks.push(...(await checkAccess(store, caller, signal)));
  if (!checks.some((check) => check.name === "List" && isGood(check))) return withRest(checks, "List");
  checks.push(...(await checkCanary(store, { key, caller, signal })));
  if (probe !== undefined) checks.push(...(await checkFeatures(probe, caller, signal)));
  return inOrder(checks);
}

function withRest(checks: readonly Check[], before: CheckName): readonly Check[] {
  const done = new Set(checks.map(({ name }) => name));
  const rest = checkNames.filter((name) => !done.has(name)).map((name) => notRunAfter(name, before));
  return inOrder([...checks, ...rest]);
}

async function checkNetwork(probe: StoreProbe, caller: AbortSignal, signal: AbortSignal): Promise<Check[]> {
  const { host, port, tls } = probe.address;
  const step = (doing: string, limitMs: number, call: (options: CallOptions) => Promise<void>) =>
    attempt(caller, doing, () => within(limitMs, signal, (limited) => call({ signal: limited })));
  const resolved = await step(`resolve ${host}`, stepMs, (limited) => probe.resolve(limited));
  if (resolved.error !== undefined) return [network("Resolve", resolved)];
  const checks = [
    passed("Resolve", isIP(host) === 0 ? `${host} leads to an address` : `${host} is an address`, resolved),
  ];
  const connected = await step(`connect to ${host}:${port}`, connectMs, (limited) => probe.connect(limited));
  if (connected.error !== undefined) return [...checks, network("Connect", connected)];
  checks.push(passed("Connect", `${host}:${port} takes connections`, connected));
  if (!tls) return [...checks, notRun("TLS", "the endpoint is plain http")];
  const shaken = await step(`establish TLS with ${host}:${port}`, connectMs, (limited) => probe.handshake(limited));
  return [
    ...checks,
    shaken.error === undefined ? passed("TLS", "the certificate is valid", shaken) : failed("TLS", shaken),
  ];
}

/** That there is no way there is what was asked, so it failed, even if it says nothing about the store. */
const network = (name: "Resolve" | "Connect", outcome: Outcome<void> & { readonly error: StoreError }): Check => ({
  ...failed(name, outcome),
  status: "Failed",
});

async function checkAccess(store: ObjectStore, caller: AbortSignal, signal: AbortSignal): Promise<readonly Check[]> {
  const { probe } = store;
  const bucket =
    probe &&
    (await attempt(caller, "ask for the bucket", () =>
      within(stepMs, signal, (limited) => probe.askBucket({ signal: limited })),
    ));
  // Whoever did not answer one request is not waited for as long with the next.
  const isSilent = bucket?.error?.kind === "EndpointUnreachable";
  const listing = await attempt(caller, `list ${store.location}`, () =>
    within(isSilent ? connectMs : preflightMs, signal, (limited) => listSomething(store, limited)),
  );
  if (probe === undefined || bucket === undefined)
    return [listing.error === undefined ? passed("List", "objects can be listed", listing) : failed("List", listing)];
  const isPuzzling = listing.error !== undefined && !listing.error.loginRefused && !probe.address.tls;
  const speaksTls = isPuzzling && (await within(stepMs, signal, (limited) => probe.speaksTls({ signal: limited })));
  return judgeAccess({ probe, bucket, listing, speaksTls });
}

/** The first entry, or that there is none. */
async function listSomething(store: ObjectStore, signal: AbortSignal): Promise<void> {
  for await (const _ of store.list("", { delimiter: "/", signal })) return;
}

/** For information: a provider that has no such thing, or does not let us see it, is no worse for that. */
async function checkFeatures(probe: StoreProbe, caller: AbortSignal, signal: AbortSignal): Promise<Check[]> {
  const ask = <T>(doing: string, call: (options: CallOptions) => Promise<T>): Promise<Outcome<T>> =>
    attempt(caller, doing, () => within(stepMs, signal, (limited) => call({ signal: limited })));
  const versioning = await ask("get versioning", (limited) => probe.versioning(limited));
  const lock = await ask("get object lock", (limited) => probe.objectLock(limited));
  return [
    informed("Versioning", versioning, (on) =>
      on ? "on: what is replaced or deleted stays as an old version until a lifecycle rule removes it" : "off",
    ),
    informed("ObjectLock", lock, ({ on, retention }) =>
      on
        ? `on, ${retention === undefined ? "without a default retention" : `objects are kept for ${retention}`}`
        : "off",
    ),
  ];
}

function informed<T>(name: CheckName, outcome: Outcome<T>, say: (value: T) => string): Check {
  if (outcome.error === undefined) return passed(name, say(outcome.value), outcome);
  const { reason, message } = failed(name, outcome);
  return stated(name, { status: "Unknown", reason, message }, outcome);
}
