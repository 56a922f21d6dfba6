import { describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import { stanza } from "./plan-fixture.ts";
import { damageIn, newDamage, verified } from "./verified.ts";

type Verification = NonNullable<NonNullable<Stanza["status"]>["verification"]>;

const place = "s3://b/r";
const damaged: Verification = {
  requested: "1",
  state: "Failed",
  message: "repository 1: backup 20261120-000000F is damaged (1 missing)",
  stoppedAt: "2026-11-21T12:00:00Z",
  damaged: [place],
};
const { message: _said, ...verdictless } = damaged;
const shownAs = (status: "True" | "False" | "Unknown", message: string) => ({
  conditions: [{ type: "Verified", status, reason: "Succeeded", message, lastTransitionTime: "2026-11-21T12:00:00Z" }],
});
const condition = (verification: Verification | undefined, status: Stanza["status"] = {}) =>
  verified(stanza(status), verification)[0];

describe("the condition Verified", () => {
  it("is absent before a verification was asked for", () => {
    expect(condition(undefined)).toBeUndefined();
  });

  it("is True with the moment when all was read, and False with what is damaged", () => {
    const passed: Verification = { state: "Passed", message: "all is whole", stoppedAt: "2026-11-21T12:00:00Z" };
    expect(condition(passed)).toEqual({
      type: "Verified",
      status: "True",
      reason: "Succeeded",
      message: "at 2026-11-21T12:00:00Z: all is whole",
    });
    expect(condition(damaged)).toEqual({
      type: "Verified",
      status: "False",
      reason: "VerificationFailed",
      message: "repository 1: backup 20261120-000000F is damaged (1 missing)",
    });
  });

  it("keeps damage, and the words of it, until another verification comes to a verdict", () => {
    const shown = shownAs("False", damaged.message ?? "");
    for (const state of ["Running", "Unknown"] as const)
      expect(condition({ ...verdictless, state, message: "Job x waits" }, shown)).toMatchObject({
        status: "False",
        message: damaged.message,
      });
    expect(condition({ ...verdictless, state: "Unknown" })?.message).toBe("damage was found in s3://b/r");
  });

  it("is Unknown when nothing could be found out; while one runs the last proof stands", () => {
    const running: Verification = { state: "Running", message: "Job x reads the repositories" };
    expect(condition(running)).toMatchObject({ status: "Unknown", reason: "Progressing" });
    expect(condition(running, shownAs("True", "whole"))).toMatchObject({ status: "True", message: "whole" });
    const unread: Verification = { state: "Unknown", message: "Job x was deleted before it ended" };
    expect(condition(unread, shownAs("True", "whole"))).toMatchObject({ status: "Unknown", reason: "NotChecked" });
    expect(condition({ ...damaged, damaged: ["s3://b/taken-out"] })).toMatchObject({ status: "Unknown" });
  });
});

describe("damage that was found", () => {
  it("is told when the condition becomes False, and not at each look", () => {
    const verdicts = verified(stanza(), damaged);
    expect(newDamage(undefined, verdicts)).toMatchObject({ reason: "VerificationFailed", message: damaged.message });
    expect(newDamage(shownAs("True", "whole").conditions, verdicts)).toBeDefined();
    expect(newDamage(shownAs("False", "x").conditions, verdicts)).toBeUndefined();
  });

  it("keeps retention from the repository it is in, and from all where that is not said", () => {
    expect(damageIn(stanza(), damaged, place)).toContain("Verified is False");
    expect(damageIn(stanza(), damaged, "s3://b/other")).toBeUndefined();
    expect(damageIn(stanza(), { state: "Failed" }, place)).toBeDefined();
    expect(damageIn(stanza(), { ...damaged, state: "Running" }, place)).toBeDefined();
    expect(damageIn(stanza(), { state: "Passed" }, place)).toBeUndefined();
  });
});
