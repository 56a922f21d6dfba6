import { describe, expect, it } from "vitest";
import { hex, invoke, invokeRaw } from "#test/contract/cnpgi-invoke.ts";
import { complete } from "./capabilities.ts";
import {
  GetPluginCapabilitiesResponseSchema,
  Identity,
  PluginCapability_Service_Type as Type,
} from "./gen/identity_pb.ts";
import { DefineMetricsResultSchema } from "./gen/metrics_pb.ts";
import { identityService, type Role } from "./identity.ts";
import { RpcError } from "./status-code.ts";

const identity = (role: Role, probe = () => undefined as void) => identityService({ role, version: "1.2.3", probe });
const { getPluginMetadata, getPluginCapabilities, probe } = Identity.method;

describe("the identity", () => {
  it("names the plugin as its Service, its socket and the Cluster do", async () => {
    expect(await invoke(identity("operator"), getPluginMetadata, {})).toMatchObject({
      name: "holdfast.dev",
      version: "1.2.3",
      license: "Apache-2.0",
    });
  });

  it("advertises beside the operator the hooks and the injection, in these bytes", async () => {
    expect(hex(await invokeRaw(identity("operator"), getPluginCapabilities, {}))).toBe(
      "0a 04 0a 02 08 05 0a 04 0a 02 08 04 0a 04 0a 02 08 08",
    );
  });

  it("advertises in a pod WAL, backup, metrics and restore, in these bytes", async () => {
    expect(hex(await invokeRaw(identity("instance"), getPluginCapabilities, {}))).toBe(
      "0a 04 0a 02 08 02 0a 04 0a 02 08 03 0a 04 0a 02 08 0a 0a 04 0a 02 08 06",
    );
  });

  it("answers a probe when it can serve, and fails it with the reason when it cannot", async () => {
    expect(await invoke(identity("operator"), probe, {})).toMatchObject({ ready: true });
    const draining = identity("operator", () => {
      throw new RpcError("UNAVAILABLE", "draining");
    });
    await expect(invoke(draining, probe, {})).rejects.toMatchObject({ code: "UNAVAILABLE", message: "draining" });
  });
});

describe("the start-up check of answers", () => {
  it.each([
    ["a capability without its oneof", [{}], "GetPluginCapabilitiesResponse.capabilities[0].type"],
    [
      "a capability of no type",
      [{ type: { case: "service" as const, value: { type: Type.UNSPECIFIED } } }],
      "GetPluginCapabilitiesResponse.capabilities[0].service.type",
    ],
  ])("refuses %s", (_, capabilities, path) => {
    const make = () => complete(GetPluginCapabilitiesResponseSchema, { capabilities });
    expect(make).toThrow(`an answer to CloudNativePG lacks ${path}`);
  });

  it("refuses a metric without its value type", () => {
    const make = () => complete(DefineMetricsResultSchema, { metrics: [{ fqName: "x" }] });
    expect(make).toThrow("an answer to CloudNativePG lacks DefineMetricsResult.metrics[0].value_type");
  });
});
