// What the checks of the last preflight mean for an ObjectStore's conditions. Pure. True is proven by a check that
// passed, False by one that the store's answer failed; everything else is Unknown, a lost connection too.
import type { Reason } from "#api/conditions.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { summariseReady } from "#kube/conditions.ts";
import { isGood, type Check, type CheckName } from "#store/check.ts";
import type { Meaning } from "#store/reasons.ts";
import type { Problem } from "../opening-problem.ts";
import type { Verdict } from "../verdict.ts";

export interface Tried {
  /** Of the last preflight; empty when the store could not be opened. */
  readonly checks: readonly Check[];
  /** Absent when the store was opened and read. */
  readonly problem?: Problem;
}

export function storeConditions(store: ObjectStore, tried: Tried): readonly Verdict[] {
  const hasTls = !(store.spec.configuration.endpointURL?.startsWith("http:") ?? false);
  const judged = tried.checks.length === 0 ? unopened(tried.problem) : judgeChecks(tried);
  const shown = judged.filter(({ type }) => type !== "TLSValid" || hasTls);
  return [readyOf(store, shown, tried), ...shown, ...kstatus(tried.problem)];
}

const types = ["Reachable", "TLSValid", "CredentialsValid", "Readable", "Writable"] as const;
type Type = (typeof types)[number];

const good = (type: Type, message: string): Verdict => ({ type, status: "True", reason: "Succeeded", message });
const notChecked = (type: Type, why: string): Verdict => ({
  type,
  status: "Unknown",
  reason: "NotChecked",
  message: `not checked: ${why}`,
});
const problematic = (type: Type, { kind, reason, message }: Meaning): Verdict => ({
  type,
  status: kind === "refused" ? "False" : "Unknown",
  reason,
  message,
});

/** A Secret that is missing stops everything; it is told where it is needed. */
function unopened(problem: Problem | undefined): readonly Verdict[] {
  const about: Type | undefined =
    problem === undefined || problem.reason === "InvalidSpec"
      ? undefined
      : problem.field?.endsWith(".endpointCA") === true
        ? "TLSValid"
        : problem.reason === "StoreError"
          ? "Readable"
          : "CredentialsValid";
  return types.map((type) =>
    problem !== undefined && type === about
      ? problematic(type, problem)
      : notChecked(type, "the store could not be opened"),
  );
}

function judgeChecks({ checks, problem }: Tried): readonly Verdict[] {
  const readable = verdictOf(
    "Readable",
    checks,
    ["Region", "Addressing", "List", "Get"],
    "objects can be listed and read",
  );
  return [
    reachable(checks),
    verdictOf("TLSValid", checks, ["TLS"], "the endpoint's certificate is valid"),
    credentialsValid(checks),
    readable.status === "True" && problem !== undefined ? problematic("Readable", problem) : readable,
    verdictOf("Writable", checks, ["Put", "Multipart", "Delete"], "objects can be written and removed"),
  ];
}

/** By the first of its checks that failed, else the first that is not good. A check that is not there does not apply. */
function verdictOf(type: Type, checks: readonly Check[], names: readonly CheckName[], message: string): Verdict {
  const own = names.flatMap((name) => checks.filter((check) => check.name === name));
  const culprit =
    own.find(({ status }) => status === "Failed") ??
    own.find(({ status, reason }) => status === "Unknown" && reason !== "NotChecked") ??
    own.find(({ status }) => status === "NotRun") ??
    own.find((check) => !isGood(check));
  if (culprit === undefined) return good(type, message);
  const { status, reason, message: why } = culprit;
  return { type, status: status === "Failed" ? "False" : "Unknown", reason, message: why };
}

const silences: ReadonlySet<Reason> = new Set(["EndpointUnreachable", "DNSFailure"]);

/** That nobody answers us may be our network's fault: never False. */
function reachable(checks: readonly Check[]): Verdict {
  const silent = checks.find(({ reason }) => silences.has(reason));
  // What was asked later than the listing is judged by itself.
  const counts = silent !== undefined && ["Resolve", "Connect", "TLS", "List"].includes(silent.name);
  if (silent === undefined || !counts) return good("Reachable", "the endpoint answers");
  return { type: "Reachable", status: "Unknown", reason: silent.reason, message: silent.message };
}

/** Logins are signed with the time: clocks that differ too much make every one of them invalid. */
const credentialsValid = (checks: readonly Check[]): Verdict => {
  const skewed = checks.some(({ name, status }) => name === "ClockSkew" && status === "Failed");
  return verdictOf("CredentialsValid", checks, skewed ? ["ClockSkew"] : ["Login"], "the provider accepts the login");
};

function readyOf(store: ObjectStore, judged: readonly Verdict[], { checks, problem }: Tried): Verdict {
  if (checks.length === 0 && problem?.reason === "InvalidSpec")
    return { type: "Ready", status: "False", reason: problem.reason, message: problem.message };
  const generation = store.metadata.generation ?? 1;
  // What was not looked at is a consequence: the condition that kept it from that is to be named.
  const needs = judged.toSorted((a, b) => Number(a.reason === "NotChecked") - Number(b.reason === "NotChecked"));
  const { status, reason, message } = summariseReady(judged, { needs: needs.map(({ type }) => type), generation });
  const ready = { type: "Ready", status, reason: reason as Reason } as const;
  if (status !== "True") return { ...ready, message };
  const warnings = checks.filter((check) => check.status === "Warning").map(({ name }) => name);
  const look = warnings.length === 0 ? "" : `; look at status.checks: ${warnings.join(", ")}`;
  return { ...ready, message: `the store can be read and written${look}` };
}

/** Only while True. Stalled: nothing but another spec helps. Reconciling: it is tried again and nothing is decided. */
function kstatus(problem: Problem | undefined): readonly Verdict[] {
  if (problem?.reason === "InvalidSpec")
    return [{ type: "Stalled", status: "True", reason: problem.reason, message: problem.message }];
  if (problem?.reason === "Progressing")
    return [{ type: "Reconciling", status: "True", reason: problem.reason, message: problem.message }];
  return [];
}

/** Why the store cannot be read, from the checks alone; undefined when a listing passed. */
export function obstacleIn(checks: readonly Check[]): Problem | undefined {
  if (checks.some((check) => check.name === "List" && isGood(check))) return undefined;
  const real = checks.filter((check) => !isGood(check) && check.reason !== "NotChecked");
  const culprit = real.find(({ status }) => status === "Failed") ?? real[0];
  if (culprit === undefined) return { kind: "unknown", reason: "StoreError", message: "the store was not listed" };
  const { status, reason, message } = culprit;
  return { kind: status === "Failed" && !silences.has(reason) ? "refused" : "unknown", reason, message };
}
