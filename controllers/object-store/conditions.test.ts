import { describe, expect, it } from "vitest";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { checkNames, notRunAfter, passed, stated, type Check, type CheckName } from "#store/check.ts";
import type { Verdict } from "../verdict.ts";
import type { Problem } from "../opening-problem.ts";
import { obstacleIn, storeConditions } from "./conditions.ts";

const store = (endpointURL?: string): ObjectStore => ({
  metadata: { name: "minio", namespace: "db", uid: "u", generation: 3 },
  spec: { configuration: { destinationPath: "s3://b", ...(endpointURL !== undefined && { endpointURL }) } },
});
const good = checkNames.map((name) => passed(name, "good"));
const bad = (name: CheckName, reason: Check["reason"], status: "Failed" | "Unknown" | "Warning" = "Failed"): Check =>
  stated(name, { status, reason, message: `${name} says ${reason}` });
/** All good but for these, and what `after` names not run. */
const checksWith = (after: readonly CheckName[], ...changed: readonly Check[]): readonly Check[] =>
  good.map((check) => {
    const [culprit] = changed;
    const other = changed.find(({ name }) => name === check.name);
    return other ?? (culprit && after.includes(check.name) ? notRunAfter(check.name, culprit.name) : check);
  });
const after = (name: CheckName): readonly CheckName[] => checkNames.slice(checkNames.indexOf(name) + 1);

const byType = (verdicts: readonly Verdict[]) =>
  Object.fromEntries(verdicts.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
const ready = (verdicts: readonly Verdict[]) => verdicts.find(({ type }) => type === "Ready");

describe("conditions of a store", () => {
  it("are all good when every check passed, Ready first", () => {
    const verdicts = storeConditions(store(), { checks: good });
    expect(verdicts.map(({ type, status }) => `${type} ${status}`)).toEqual([
      "Ready True",
      "Reachable True",
      "TLSValid True",
      "CredentialsValid True",
      "Readable True",
      "Writable True",
    ]);
    expect(ready(verdicts)?.message).toBe("the store can be read and written");
  });

  it("have nothing to say of TLS where there is none", () => {
    const verdicts = storeConditions(store("http://minio:9000"), { checks: good });
    expect(byType(verdicts)).not.toHaveProperty("TLSValid");
    expect(ready(verdicts)?.status).toBe("True");
  });

  const cases: readonly [string, readonly Check[], Readonly<Record<string, string>>][] = [
    [
      "a name that leads nowhere",
      checksWith(after("Resolve"), bad("Resolve", "DNSFailure")),
      {
        Ready: "Unknown DNSFailure",
        Reachable: "Unknown DNSFailure",
        TLSValid: "Unknown NotChecked",
        CredentialsValid: "Unknown NotChecked",
        Readable: "Unknown NotChecked",
        Writable: "Unknown NotChecked",
      },
    ],
    [
      "a wrong certificate",
      checksWith(after("TLS"), bad("TLS", "TLSVerificationFailed")),
      { Ready: "False TLSVerificationFailed", Reachable: "True Succeeded", TLSValid: "False TLSVerificationFailed" },
    ],
    [
      "a wrong key",
      checksWith(after("Login"), bad("Login", "AccessDenied")),
      {
        Ready: "False AccessDenied",
        CredentialsValid: "False AccessDenied",
        Readable: "Unknown NotChecked",
        Writable: "Unknown NotChecked",
      },
    ],
    [
      "a key that may not list",
      checksWith(after("List"), bad("List", "AccessDenied"), bad("Login", "NotChecked", "Unknown")),
      { Ready: "False AccessDenied", CredentialsValid: "Unknown NotChecked", Readable: "False AccessDenied" },
    ],
    [
      "a key that may only read",
      checksWith(["Multipart", "Delete"], bad("Put", "AccessDenied")),
      {
        Ready: "False AccessDenied",
        CredentialsValid: "True Succeeded",
        Readable: "True Succeeded",
        Writable: "False AccessDenied",
      },
    ],
    [
      "a silent store",
      checksWith(after("List"), bad("List", "EndpointUnreachable", "Unknown")),
      {
        Ready: "Unknown EndpointUnreachable",
        Reachable: "Unknown EndpointUnreachable",
        Readable: "Unknown EndpointUnreachable",
      },
    ],
    [
      "another region",
      checksWith(after("Region"), bad("Region", "RegionMismatch")),
      { Ready: "False RegionMismatch", Reachable: "True Succeeded", Readable: "False RegionMismatch" },
    ],
    [
      "clocks that are too far apart, even if the store is lenient",
      checksWith([], bad("ClockSkew", "ClockSkew")),
      { Ready: "False ClockSkew", CredentialsValid: "False ClockSkew", Readable: "True Succeeded" },
    ],
    [
      "a store that answers one write with an error of its own",
      checksWith([], bad("Multipart", "StoreError", "Unknown")),
      { Ready: "Unknown StoreError", Readable: "True Succeeded", Writable: "Unknown StoreError" },
    ],
    [
      "a listing that the store answers with an error of its own",
      checksWith(after("List"), bad("List", "StoreError", "Unknown"), bad("Login", "NotChecked", "Unknown")),
      { Ready: "Unknown StoreError", CredentialsValid: "Unknown NotChecked", Readable: "Unknown StoreError" },
    ],
    [
      "objects that cannot be removed",
      checksWith([], bad("Delete", "AccessDenied")),
      { Ready: "False AccessDenied", Writable: "False AccessDenied" },
    ],
  ];
  it.each(cases)("show %s", (_, checks, expected) => {
    const problem = obstacleIn(checks);
    const verdicts = storeConditions(store(), { checks, ...(problem && { problem }) });
    expect(byType(verdicts)).toMatchObject(expected);
  });

  it("name the failing condition in Ready, with what its check said", () => {
    const checks = checksWith(["Multipart", "Delete"], bad("Put", "AccessDenied"));
    expect(ready(storeConditions(store(), { checks }))?.message).toBe("Writable: Put says AccessDenied");
  });

  it("say of what was not looked at what kept it from that", () => {
    const checks = checksWith(after("Login"), bad("Login", "AccessDenied"), bad("Region", "NotChecked", "Unknown"));
    const readable = storeConditions(store(), { checks }).find(({ type }) => type === "Readable");
    expect(readable).toMatchObject({ status: "Unknown", message: "not run: Login did not pass" });
  });

  it("are good with a warning, which Ready points to", () => {
    const checks = checksWith([], bad("ClockSkew", "ClockSkew", "Warning"));
    const told = ready(storeConditions(store(), { checks }));
    expect(told).toMatchObject({ status: "True", reason: "Succeeded" });
    expect(told?.message).toMatch(/ClockSkew/);
  });

  it("say that it cannot be read when the checks pass and reading does not", () => {
    const problem: Problem = { kind: "unknown", reason: "Throttled", message: "slow down" };
    expect(byType(storeConditions(store(), { checks: good, problem }))).toMatchObject({
      Ready: "Unknown Throttled",
      Readable: "Unknown Throttled",
      Writable: "True Succeeded",
    });
  });
});

describe("conditions of a store that could not be opened", () => {
  const unopened = (problem: Problem) => storeConditions(store(), { checks: [], problem });

  it("stall on a spec that cannot work, and take nothing else for known", () => {
    const verdicts = unopened({ kind: "refused", reason: "InvalidSpec", message: "spec.x: unknown field" });
    expect(byType(verdicts)).toEqual({
      Ready: "False InvalidSpec",
      Reachable: "Unknown NotChecked",
      TLSValid: "Unknown NotChecked",
      CredentialsValid: "Unknown NotChecked",
      Readable: "Unknown NotChecked",
      Writable: "Unknown NotChecked",
      Stalled: "True InvalidSpec",
    });
    expect(ready(verdicts)?.message).toBe("spec.x: unknown field");
  });

  it("name a missing Secret where it is needed, and do not stall: it may come", () => {
    const missing = { kind: "refused", reason: "SecretNotFound", message: "secret x does not exist" } as const;
    const keys = unopened({ ...missing, field: "spec.configuration.s3Credentials.accessKeyId" });
    expect(byType(keys)).toMatchObject({ Ready: "False SecretNotFound", CredentialsValid: "False SecretNotFound" });
    expect(byType(keys)).not.toHaveProperty("Stalled");
    const ca = unopened({ ...missing, field: "spec.configuration.endpointCA" });
    expect(byType(ca)).toMatchObject({ Ready: "False SecretNotFound", TLSValid: "False SecretNotFound" });
  });

  it("are being worked on while a Secret cannot be read", () => {
    expect(
      byType(unopened({ kind: "unknown", reason: "Progressing", message: "secret x cannot be read now" })),
    ).toMatchObject({
      Ready: "Unknown Progressing",
      Reconciling: "True Progressing",
    });
  });
});

describe("what keeps a store from being read", () => {
  it("is nothing once a listing passed", () => {
    expect(obstacleIn(checksWith([], bad("Put", "AccessDenied")))).toBeUndefined();
  });

  it("is proven by an answer, and not by silence", () => {
    expect(obstacleIn(checksWith(after("Login"), bad("Login", "AccessDenied")))).toMatchObject({
      kind: "refused",
      reason: "AccessDenied",
    });
    expect(obstacleIn(checksWith(after("Connect"), bad("Connect", "EndpointUnreachable")))).toMatchObject({
      kind: "unknown",
      reason: "EndpointUnreachable",
    });
  });
});
