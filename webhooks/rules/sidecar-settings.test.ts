import { describe, expect, it } from "vitest";
import { judgeSidecarSettings } from "./sidecar-settings.ts";

const fieldsOf = (settings: Parameters<typeof judgeSidecarSettings>[0]): string[] =>
  judgeSidecarSettings(settings).problems.map(({ field }) => field.replace("spec.instanceSidecarConfiguration.", ""));

describe("the sidecar's variables", () => {
  it("may come from anywhere Kubernetes knows", () => {
    const env = [
      { name: "HTTPS_PROXY", value: "http://proxy:3128" },
      { name: "http.proxy", value: "" },
      { name: "TOKEN", valueFrom: { secretKeyRef: { name: "a", key: "b" } } },
    ];
    expect(judgeSidecarSettings({ env })).toEqual({ problems: [], warnings: [] });
  });

  it("are refused where Kubernetes would refuse the pod", () => {
    const env = [
      { name: "MY VAR" },
      { name: "A", value: "1", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      { name: "A", valueFrom: {} },
    ];
    expect(fieldsOf({ env })).toEqual(["env[0].name", "env[1]", "env[2].valueFrom", "env[2].name"]);
  });

  it("are refused where their source is not whole, or is no plain one", () => {
    const from = (...valueFrom: object[]): string[] =>
      fieldsOf({ env: valueFrom.map((source, n) => ({ name: `A${n}`, valueFrom: { ...source } })) });
    expect(from({ secretKeyRef: { name: "a" } })).toEqual(["env[0].valueFrom.secretKeyRef.key"]);
    expect(from({ secretKeyRef: "a" })).toEqual([
      "env[0].valueFrom.secretKeyRef.name",
      "env[0].valueFrom.secretKeyRef.key",
    ]);
    expect(from({ configMapKeyRef: { name: [["a"]], key: "k" } })).toEqual(["env[0].valueFrom.configMapKeyRef.name"]);
    expect(from({ configMapKeyRef: { name: "a", key: "k", optional: [[]] } })).toEqual([
      "env[0].valueFrom.configMapKeyRef.optional",
    ]);
    expect(from({ toString: {} })).toEqual(["env[0].valueFrom"]);
    expect(
      from(
        { configMapKeyRef: { name: "a", key: "k", optional: true } },
        { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } },
        { resourceFieldRef: { resource: "limits.cpu", divisor: 1 } },
      ),
    ).toEqual([]);
  });

  it("that the sidecar sets itself are told to have no effect", () => {
    const { problems, warnings } = judgeSidecarSettings({ env: [{ name: "PGDATA", value: "/x" }] });
    expect(problems).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining("env[0]: PGDATA has no effect")]);
  });
});

describe("the sidecar's resources", () => {
  it.each(["1", "250m", "0.5", "128Mi", "1Gi", "1e3", "100k", ".5", 2])("may be %s", (cpu) => {
    expect(fieldsOf({ resources: { limits: { cpu } } })).toEqual([]);
  });

  it.each(["", "lots", "-1", "128MB", "1 Gi", "0x10", "1e", "9".repeat(70) + "x", -1])("may not be %s", (cpu) => {
    expect(fieldsOf({ resources: { limits: { cpu } } })).toEqual(["resources.limits.cpu"]);
  });

  it("ask for no more than the limit, in whatever unit", () => {
    const limits = { memory: "512Mi", cpu: 1 };
    expect(fieldsOf({ resources: { requests: { memory: "1Gi", cpu: "1500m" }, limits } })).toEqual([
      "resources.requests.memory",
      "resources.requests.cpu",
    ]);
    expect(fieldsOf({ resources: { requests: { memory: "536870912", cpu: "1000m" }, limits } })).toEqual([]);
  });

  it("are those of containers", () => {
    expect(fieldsOf({ resources: { requests: { ram: "1Gi", "example.com/gpu": 1 } } })).toEqual([
      "resources.requests.ram",
    ]);
  });
});
