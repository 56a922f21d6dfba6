import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import { KubeError } from "#kube/errors.ts";
import type { KubeObject } from "#kube/object.ts";
import { Catalogs } from "../catalogs.ts";
import { Trigger } from "../trigger.ts";
import { backupReconcile, type BackupDeps } from "./controller.ts";

const cluster = {
  metadata: { name: "pg", namespace: "db" },
  spec: { instances: 1, plugins: [{ name: "holdfast.dev", parameters: { objectStore: "minio" } }] },
};

/** The controller on an API server that shows what was written; `create` is what becomes of CNPG's Backup. */
function controller(create: () => Promise<KubeObject>) {
  let backup: Backup = {
    metadata: {
      name: "b",
      namespace: "db",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: new Date().toISOString(),
      labels: { "cnpg.io/cluster": "pg" },
    },
    spec: { cluster: { name: "pg" } },
  };
  const written: string[] = [];
  const client = {
    apply: async (_: unknown, { status }: Backup) => {
      written.push(status?.conditions?.find(({ type }) => type === "Ready")?.message ?? "");
      const resourceVersion = String(written.length + 1);
      backup = { ...backup, metadata: { ...backup.metadata, resourceVersion }, ...(status && { status }) };
      return backup;
    },
    create,
  };
  const none = { get: () => undefined, list: () => [], byIndex: () => [] };
  const deps = {
    client,
    events: { record: async () => undefined },
    openStore: () => Promise.reject(new Error("there is no store")),
    backups: { get: () => backup, list: () => [backup], byIndex: () => [backup] },
    cnpgBackups: none,
    clusters: { ...none, get: () => cluster },
    stores: none,
    reports: none,
    catalogs: new Catalogs(),
    lookAtStore: new Trigger(),
  } as unknown as BackupDeps;
  const reconcile = backupReconcile(deps);
  const logger = pino({ level: "silent" });
  return {
    written,
    look: () => reconcile({ namespace: "db", name: "b" }, AbortSignal.timeout(5_000), logger).catch(() => undefined),
  };
}

describe("a request whose CNPG Backup cannot be made", () => {
  it("says why once, and writes nothing while it goes on so", async () => {
    const { look, written } = controller(() => Promise.reject(new KubeError("Unavailable", "the webhook is away")));
    for (let times = 0; times < 5; times++) await look();
    expect(written.at(-1)).toBe("CloudNativePG's Backup cannot be made: the webhook is away");
    expect(written).toHaveLength(2);
  });

  it("says so no more once it can be made", async () => {
    let isAway = true;
    const { look, written } = controller(async () => {
      if (isAway) throw new KubeError("Unavailable", "the webhook is away");
      return { metadata: { name: "b" } };
    });
    await look();
    isAway = false;
    for (let times = 0; times < 2; times++) await look();
    expect(written.at(-1)).toBe("the backup is being requested from CloudNativePG");
  });
});
