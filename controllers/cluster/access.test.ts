import { describe, expect, it } from "vitest";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { planAccess } from "./access.ts";

const cluster = { namespace: "db", name: "pg", uid: "u-1" };
const key = (name: string) => ({ name, key: "k" });
const store = (name: string, s3Credentials: ObjectStore["spec"]["configuration"]["s3Credentials"]): ObjectStore => ({
  metadata: { name, namespace: "db" },
  spec: {
    configuration: { destinationPath: "s3://b", endpointCA: key("ca"), ...(s3Credentials && { s3Credentials }) },
  },
});

describe("access of a Cluster's sidecars", () => {
  it("names exactly the Secrets of its stores, once each and in a stable order", () => {
    const access = planAccess({
      cluster,
      serviceAccount: "pg",
      storeNames: ["b", "a"],
      stores: [
        store("b", { accessKeyId: key("z"), secretAccessKey: key("z") }),
        store("a", { accessKeyId: key("m"), secretAccessKey: key("n"), region: key("m") }),
      ],
    });
    expect(access.role.rules.find((rule) => rule.resources.includes("secrets"))?.resourceNames).toEqual([
      "ca",
      "m",
      "n",
      "z",
    ]);
    expect(access.role.rules.find((rule) => rule.resources.includes("objectstores"))?.resourceNames).toEqual([
      "a",
      "b",
    ]);
  });

  it("has no rule without names, which would mean every object of the namespace", () => {
    const access = planAccess({ cluster, serviceAccount: "pg", storeNames: [], stores: [] });
    expect(access.role.rules.map((rule) => rule.resources[0])).toEqual(["instancereports", "instancereports/status"]);
  });

  it("binds the account that the pods really run as", () => {
    const access = planAccess({ cluster, serviceAccount: "custom", storeNames: [], stores: [] });
    expect(access.binding.subjects).toEqual([{ kind: "ServiceAccount", name: "custom", namespace: "db" }]);
  });

  it("lets a missing store be read as soon as it is made", () => {
    const access = planAccess({ cluster, serviceAccount: "pg", storeNames: ["later"], stores: [] });
    expect(access.role.rules.some((rule) => rule.resourceNames.includes("later"))).toBe(true);
    expect(access.role.rules.some((rule) => rule.resources.includes("secrets"))).toBe(false);
  });

  it("goes with its Cluster", () => {
    const access = planAccess({ cluster, serviceAccount: "pg", storeNames: [], stores: [] });
    for (const object of [access.role, access.binding, access.report])
      expect(object.metadata.ownerReferences).toMatchObject([{ kind: "Cluster", name: "pg", uid: "u-1" }]);
  });
});
