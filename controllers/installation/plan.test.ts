import { describe, expect, it } from "vitest";
import { formatSidecarConfig, sidecarDefaults, type ConfigMap } from "#cnpg/sidecar-config.ts";
import { planSidecar, type Deployment } from "./plan.ts";

const deployment = (status: Deployment["status"], image = "holdfast:2"): Deployment => ({
  metadata: { name: "holdfast", generation: 7 },
  spec: { replicas: 2, template: { spec: { containers: [{ name: "operator", image }] } } },
  ...(status && { status }),
});
const rolledOut = { observedGeneration: 7, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };
const current: ConfigMap = {
  metadata: { name: "holdfast-sidecar" },
  data: formatSidecarConfig({ ...sidecarDefaults, image: "holdfast:1" }),
};

describe("the image that is injected", () => {
  it("follows the Deployment once every replica runs the new version", () => {
    expect(planSidecar(deployment(rolledOut), current)?.image).toBe("holdfast:2");
    expect(planSidecar(deployment(rolledOut), undefined)?.image).toBe("holdfast:2");
  });

  it("stays while two versions run side by side", () => {
    expect(planSidecar(deployment({ ...rolledOut, replicas: 3 }), current)).toBeUndefined();
    expect(planSidecar(deployment({ ...rolledOut, updatedReplicas: 1 }), current)).toBeUndefined();
    expect(planSidecar(deployment({ ...rolledOut, availableReplicas: 1 }), current)).toBeUndefined();
    expect(planSidecar(deployment({ ...rolledOut, observedGeneration: 6 }), current)).toBeUndefined();
  });

  it("is not written again when it is the same, nor without a Deployment", () => {
    expect(planSidecar(deployment(rolledOut, "holdfast:1"), current)).toBeUndefined();
    expect(planSidecar(undefined, current)).toBeUndefined();
  });
});
