import { describe, expect, it } from "vitest";
import { KubeError } from "#kube/errors.ts";
import { hex, invoke, invokeRaw, json } from "#test/contract/cnpgi-invoke.ts";
import { ReconcilerHooks, ReconcilerHooksResult_Behavior as Behavior } from "./gen/reconciler_pb.ts";
import { reconcilerHooksService } from "./reconciler-hooks.ts";

const { getCapabilities, pre, post } = ReconcilerHooks.method;
const metadata = { name: "pg", namespace: "db", uid: "u-1" };
const cluster = { kind: "Cluster", metadata, spec: { instances: 3 } };

function recording(fails?: Error) {
  const ensured: string[] = [];
  const service = reconcilerHooksService({
    ensureCluster: async ({ metadata, spec }) => {
      ensured.push(`${metadata.namespace}/${metadata.name} ${metadata.uid} ${spec.instances}`);
      if (fails !== undefined) throw fails;
    },
  });
  return { service, ensured };
}

const request = (resource: unknown) => ({
  clusterDefinition: json({ metadata }),
  resourceDefinition: json(resource),
});

describe("the reconciler hooks", () => {
  it("are for Clusters, in these bytes", async () => {
    expect(hex(await invokeRaw(recording().service, getCapabilities, {}))).toBe("0a 02 08 01");
  });

  it("prepare a Cluster before its pods are made, and let CNPG go on", async () => {
    const { service, ensured } = recording();
    expect(await invoke(service, pre, request(cluster))).toMatchObject({ behavior: Behavior.CONTINUE });
    expect(ensured).toEqual(["db/pg u-1 3"]);
  });

  it("do nothing for a Backup and after a reconcile", async () => {
    const { service, ensured } = recording();
    const backup = { kind: "Backup", metadata: { name: "b", namespace: "db" } };
    for (const method of [pre, post]) {
      expect(await invoke(service, method, request(backup))).toMatchObject({ behavior: Behavior.CONTINUE });
    }
    expect(await invoke(service, post, request(cluster))).toMatchObject({ behavior: Behavior.CONTINUE });
    expect(ensured).toEqual([]);
  });

  it("fail in one line that a user can read in the Cluster's phase, and never ask CNPG to wait silently", async () => {
    const { service } = recording(new KubeError("Forbidden", "cannot create role pg-holdfast:\n  forbidden"));
    await expect(invoke(service, pre, request(cluster))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: "cannot prepare cluster pg: cannot create role pg-holdfast: forbidden",
    });
  });

  it("refuse a resource that cannot be read", async () => {
    const broken = { clusterDefinition: json({}), resourceDefinition: new Uint8Array([0x7b]) };
    await expect(invoke(recording().service, pre, broken)).rejects.toThrow("cannot read object: it is not JSON");
  });
});
