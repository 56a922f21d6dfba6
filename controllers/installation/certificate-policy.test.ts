import { describe, expect, it } from "vitest";
import { usualPolicy } from "#kube/pki/plan.ts";
import { certificatePolicy } from "./certificate-policy.ts";

describe("the life of our certificates", () => {
  it("is 90 days unless the Deployment says otherwise", () => {
    expect(certificatePolicy(undefined)).toBe(usualPolicy);
    expect(certificatePolicy("90d").leafLifeMs).toBe(usualPolicy.leafLifeMs);
  });

  it("leaves the authority long enough to outlive its leaves, and time to load each change", () => {
    const policy = certificatePolicy("45s");
    expect(policy.leafLifeMs).toBe(45_000);
    expect(policy.authorityLifeMs).toBeGreaterThanOrEqual(3 * policy.leafLifeMs);
    expect(policy.graceMs).toBe(15_000);
  });

  it("refuses what is no duration, saying what to write", () => {
    for (const text of ["90", "d", "0d", "1w", "-1d", "44s", "3651d", "999999999d"])
      expect(() => certificatePolicy(text)).toThrow(/as in 90d/);
  });
});
