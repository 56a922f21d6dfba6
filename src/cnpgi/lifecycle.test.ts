import { readFileSync } from "node:fs";
import { join } from "node:path";
import { applyPatch } from "rfc6902";
import { describe, expect, it } from "vitest";
import { sidecarDefaults, type StoreSidecarSettings } from "#cnpg/sidecar-config.ts";
import { hex, invoke, invokeRaw, json } from "#test/contract/cnpgi-invoke.ts";
import { OperatorLifecycle, OperatorOperationType_Type as Type } from "./gen/operator_lifecycle_pb.ts";
import { lifecycleService, type LifecyclePorts } from "./lifecycle.ts";
import { RpcError } from "./status-code.ts";

const { getCapabilities, lifecycleHook } = OperatorLifecycle.method;
const read = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "testdata", name), "utf8"));
const config = { ...sidecarDefaults, image: "holdfast:1" };
const service = (ports: Partial<LifecyclePorts> = {}) =>
  lifecycleService({ sidecarConfig: () => config, storeSidecarSettings: () => undefined, ...ports });

interface Hook {
  readonly operation?: (typeof Type)[keyof typeof Type];
  readonly cluster?: unknown;
  readonly object?: unknown;
}

async function call(
  ports: Partial<LifecyclePorts>,
  { operation = Type.CREATE, cluster, object }: Hook,
): Promise<unknown> {
  const { jsonPatch } = await invoke(service(ports), lifecycleHook, {
    operationType: { type: operation },
    clusterDefinition: json(cluster ?? read("cluster.json")),
    objectDefinition: json(object ?? read("pod.json")),
  });
  return jsonPatch.length === 0 ? undefined : JSON.parse(Buffer.from(jsonPatch).toString("utf8"));
}

describe("the lifecycle hook", () => {
  it("asks for pods when they are made and judged, and for jobs when they are made", async () => {
    expect(await invoke(service(), getCapabilities, {})).toMatchObject({
      lifecycleCapabilities: [
        { group: "", kind: "Pod", operationTypes: [{ type: Type.CREATE }, { type: Type.EVALUATE }] },
        { group: "batch", kind: "Job", operationTypes: [{ type: Type.CREATE }] },
      ],
    });
    expect(hex(await invokeRaw(service(), getCapabilities, {}))).toBe(
      "0a 0d 12 03 50 6f 64 1a 02 08 03 1a 02 08 06 0a 10 0a 05 62 61 74 63 68 12 03 4a 6f 62 1a 02 08 03",
    );
  });

  it.each([
    ["pod.json", Type.CREATE],
    ["pod.json", Type.EVALUATE],
    ["job.json", Type.CREATE],
  ])("patches %s on operation %d, and not again what it has patched", async (name, operation) => {
    const object = read(name);
    const patch = await call({}, { operation, object });
    applyPatch(object, patch as Parameters<typeof applyPatch>[1]);
    expect(JSON.stringify(object)).toContain('"image":"holdfast:1"');
    expect(await call({}, { operation, object })).toBeUndefined();
  });

  it("asks for the settings of the stores in the Cluster's namespace", async () => {
    const asked: string[] = [];
    const settings: StoreSidecarSettings = { env: [{ name: "FROM_STORE", value: "1" }] };
    const patch = await call(
      {
        storeSidecarSettings: (namespace, { kind, name }) => {
          asked.push(`${kind} ${namespace}/${name}`);
          return settings;
        },
      },
      {},
    );
    expect(asked).toEqual(["ObjectStore db/minio"]);
    expect(JSON.stringify(patch)).toContain("FROM_STORE");
  });

  it("changes nothing for operations and kinds that it did not ask for", async () => {
    expect(await call({}, { operation: Type.DELETE })).toBeUndefined();
    expect(await call({}, { object: { kind: "Service", metadata: { name: "s" } } })).toBeUndefined();
  });

  it("fails when the configuration is not known, rather than inject something else", async () => {
    const sidecarConfig = () => {
      throw new RpcError("UNAVAILABLE", "not in sync");
    };
    await expect(call({ sidecarConfig }, {})).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("fails when the pod has no container to serve", async () => {
    const object = { kind: "Pod", metadata: { name: "pg-1" }, spec: { containers: [] } };
    await expect(call({}, { object })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: "cannot add the sidecar for cluster pg: the Pod has no container postgres",
    });
  });

  it("says which definition it cannot read", async () => {
    await expect(call({}, { cluster: {} })).rejects.toThrow("cannot read Cluster: it has no name or no namespace");
  });
});
