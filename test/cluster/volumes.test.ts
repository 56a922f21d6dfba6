import { describe, expect, it } from "vitest";
import { type Claim, planVolumes, provisionerName, type Volume } from "./volumes.ts";

const aClaim = (uid: string, phase = "Pending", provisioner = provisionerName): Claim => ({
  metadata: {
    name: "data",
    namespace: "a",
    uid,
    annotations: { "volume.kubernetes.io/storage-provisioner": provisioner },
  },
  spec: { storageClassName: "local", accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  status: { phase },
});

const aVolume = (uid: string, phase: string, policy = "Delete", provisioner = provisionerName): Volume => ({
  metadata: { name: `pvc-${uid}`, annotations: { "pv.kubernetes.io/provisioned-by": provisioner } },
  spec: { persistentVolumeReclaimPolicy: policy },
  status: { phase },
});

describe("planVolumes", () => {
  it("creates a volume for a pending claim of ours that has none", () => {
    const [waiting, served] = [aClaim("1"), aClaim("2")];
    const foreign = aClaim("3", "Pending", "example.com/other");
    const plan = planVolumes([waiting, served, foreign, aClaim("4", "Bound")], [aVolume("2", "Available")]);
    expect(plan).toEqual({ create: [waiting], remove: [] });
  });

  it("removes our released volumes unless they are to be kept", () => {
    const released = aVolume("1", "Released");
    const others = [
      aVolume("2", "Bound"),
      aVolume("3", "Released", "Retain"),
      aVolume("4", "Released", "Delete", "other"),
    ];
    expect(planVolumes([], [released, ...others]).remove).toEqual([released]);
  });
});
