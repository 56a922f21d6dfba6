import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import type { DeleteOptions, KubeClient } from "#kube/client.ts";
import { cancelWork, workFor } from "./apply.ts";

const backup: Backup = { metadata: { name: "b", namespace: "db" }, spec: { cluster: { name: "pg" } } };

/** What is deleted, and at which version, when the API server has the work in this phase. */
async function cancelled(phase: string | undefined): Promise<readonly unknown[]> {
  const deleted: unknown[] = [];
  const client: Pick<KubeClient, "get" | "delete"> = {
    get: async <T>() =>
      phase === undefined
        ? undefined
        : ({ metadata: { name: "b", namespace: "db", resourceVersion: "7" }, spec: {}, status: { phase } } as T),
    delete: async (_, { name }, { resourceVersion }: DeleteOptions) => deleted.push([name, resourceVersion]) > 0,
  };
  await cancelWork(client as KubeClient, backup, ["b"], AbortSignal.timeout(5_000));
  return deleted;
}

describe("the CNPG Backup of a request", () => {
  const asked = (spec: Partial<Backup["spec"]>, kind?: "ObjectStore" | "Stanza") =>
    workFor({ ...backup, spec: { cluster: { name: "pg" }, ...spec } }, "b", kind).spec;

  it("reads the primary of a Stanza's Cluster, whatever was asked, and says which type and repository", () => {
    expect(asked({ target: "prefer-standby", type: "diff", selectedRepository: 2 }, "Stanza")).toMatchObject({
      target: "primary",
      pluginConfiguration: { name: "holdfast.dev", parameters: { type: "diff", selectedRepository: "2" } },
    });
  });

  it("leaves the type to the sidecar when none was asked for", () => {
    expect(asked({}, "Stanza")).toMatchObject({ pluginConfiguration: { name: "holdfast.dev" }, target: "primary" });
    expect(JSON.stringify(asked({}, "Stanza"))).not.toContain("parameters");
  });

  it("reads what was asked for of an ObjectStore's", () => {
    expect(asked({ target: "prefer-standby", type: "full" }, "ObjectStore")).toEqual({
      cluster: { name: "pg" },
      method: "plugin",
      pluginConfiguration: { name: "holdfast.dev" },
      target: "prefer-standby",
    });
  });
});

describe("work that is cancelled", () => {
  it("is deleted as it was read, so that one that ends in that moment is not", async () => {
    expect(await cancelled("started")).toEqual([["b", "7"]]);
  });

  it("stays when CloudNativePG has ended it, whatever the cache shows", async () => {
    expect(await cancelled("completed")).toEqual([]);
    expect(await cancelled("failed")).toEqual([]);
    expect(await cancelled(undefined)).toEqual([]);
  });
});
