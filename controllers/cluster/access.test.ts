import { describe, expect, it } from "vitest";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import { planAccess } from "./access.ts";

const cluster = { namespace: "db", name: "pg", uid: "u-1" };
const key = (name: string) => ({ name, key: "k" });
const store = (name: string, s3Credentials: ObjectStore["spec"]["configuration"]["s3Credentials"]): ObjectStore => ({
  metadata: { name, namespace: "db" },
  spec: {
    configuration: { destinationPath: "s3://b", endpointCA: key("ca"), ...(s3Credentials && { s3Credentials }) },
  },
});

const none = { cluster, serviceAccount: "pg", storeNames: [], stores: [], stanzaNames: [], stanzas: [] };
const stanza: Stanza = {
  metadata: { name: "main", namespace: "db" },
  spec: {
    stanzaConfiguration: {
      name: "main",
      s3Repositories: [
        {
          bucket: "b",
          endpoint: "minio:9000",
          region: "r",
          repoPath: "/r",
          endpointCA: key("ca"),
          secretRef: { accessKeyId: key("s3-id"), secretAccessKey: key("s3-key") },
          cipherConfig: { encryptionPass: key("cipher") },
        },
      ],
      azureRepositories: [
        {
          account: "a",
          container: "c",
          repoPath: "/r",
          endpointCA: key("azure-ca"),
          secretRef: { keyReference: key("azure-key") },
          cipherConfig: { encryptionPass: key("azure-cipher") },
        },
      ],
    },
  },
};

describe("access of a Cluster's sidecars", () => {
  it("names exactly the Secrets of its stores, once each and in a stable order", () => {
    const access = planAccess({
      ...none,
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
    const access = planAccess({ ...none });
    expect(access.role.rules.map((rule) => rule.resources[0])).toEqual(["instancereports", "instancereports/status"]);
  });

  it("names its Stanzas, all their Secrets, and the Lease of the one that it archives to", () => {
    const input = { ...none, stanzaNames: ["main", "source"], stanzas: [stanza] };
    expect(planAccess({ ...input, ownStanza: "main" }).role.rules.slice(2)).toEqual([
      { apiGroups: ["holdfast.dev"], resources: ["stanzas"], resourceNames: ["main", "source"], verbs: ["get"] },
      {
        apiGroups: [""],
        resources: ["secrets"],
        resourceNames: ["azure-ca", "azure-cipher", "azure-key", "ca", "cipher", "s3-id", "s3-key"],
        verbs: ["get"],
      },
      {
        apiGroups: ["coordination.k8s.io"],
        resources: ["leases"],
        resourceNames: ["holdfast-stanza-main"],
        verbs: ["get", "update"],
      },
    ]);
    // One that it is only recovered from, it changes nothing in.
    expect(planAccess(input).role.rules.some(({ resources }) => resources.includes("leases"))).toBe(false);
  });

  it("binds the account that the pods really run as", () => {
    const access = planAccess({ ...none, serviceAccount: "custom" });
    expect(access.binding.subjects).toEqual([{ kind: "ServiceAccount", name: "custom", namespace: "db" }]);
  });

  it("lets a missing store be read as soon as it is made", () => {
    const access = planAccess({ ...none, storeNames: ["later"] });
    expect(access.role.rules.some((rule) => rule.resourceNames.includes("later"))).toBe(true);
    expect(access.role.rules.some((rule) => rule.resources.includes("secrets"))).toBe(false);
  });

  it("goes with its Cluster", () => {
    const access = planAccess({ ...none });
    for (const object of [access.role, access.binding, access.report])
      expect(object.metadata.ownerReferences).toMatchObject([{ kind: "Cluster", name: "pg", uid: "u-1" }]);
  });
});
