import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import type { DeleteOptions, KubeClient } from "#kube/client.ts";
import { cancelWork } from "./apply.ts";

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
