import { describe, expect, it } from "vitest";
import { hex, invoke, invokeRaw, json } from "#test/contract/cnpgi-invoke.ts";
import { RestoreJobHooks } from "./gen/restore_job_pb.ts";
import { restoreJobService, type RestoreJobOrder } from "./restore-job.ts";

const { getCapabilities, restore } = RestoreJobHooks.method;
const ours = { name: "holdfast.dev", parameters: { objectStore: "minio" } };
const recoveryTarget = { targetTime: "2026-11-01 10:00:00+00" };
const origin = (parameters: object) => ({ name: "origin", plugin: { name: "holdfast.dev", parameters } });

function aCluster(spec: object = {}): Uint8Array {
  const bootstrap = { recovery: { source: "origin", recoveryTarget } };
  const externalClusters = [origin({ objectStore: "eu", serverName: "old" })];
  return json({ metadata: { name: "pg", namespace: "db" }, spec: { bootstrap, externalClusters, ...spec } });
}

function recording() {
  const orders: RestoreJobOrder[] = [];
  return { service: restoreJobService({ restore: async (order) => void orders.push(order) }), orders };
}

describe("the restore of a base backup", () => {
  it("is advertised in these bytes", async () => {
    expect(hex(await invokeRaw(recording().service, getCapabilities, {}))).toBe("0a 02 08 01");
  });

  it("comes from the recovery source, goes on record with its target, and answers with the settings for recovery", async () => {
    const { service, orders } = recording();
    const response = await invoke(service, restore, { clusterDefinition: aCluster({ plugins: [ours] }) });
    expect(orders).toMatchObject([
      {
        source: { name: "eu", serverName: "old" },
        destination: { name: "minio", serverName: "pg" },
        recoveryTarget,
        checkEmpty: undefined,
        skipEmptyCheck: false,
      },
    ]);
    expect(response.envs).toEqual([]);
    expect(response.restoreConfig.trimEnd().split("\n")).toEqual([
      "recovery_target_action = promote",
      "restore_command = '/controller/manager wal-restore --log-destination /controller/log/postgres.json %f %p'",
    ]);
  });

  it("knows a Cluster that will not archive by us, and what CNPG says of the check for an empty archive", async () => {
    const { service, orders } = recording();
    await invoke(service, restore, { clusterDefinition: aCluster(), checkEmptyWalArchive: false });
    expect(orders).toMatchObject([{ destination: undefined, checkEmpty: false }]);
  });

  it.each([
    [
      "does not name us as its source",
      { externalClusters: [] },
      "spec.bootstrap.recovery.source does not use holdfast.dev",
    ],
    [
      "names a source that is wrong",
      { externalClusters: [origin({})] },
      "spec.externalClusters[0].plugin.parameters.objectStore: objectStore or stanza is required: the name of an ObjectStore or of a Stanza",
    ],
    [
      "could not archive afterwards",
      { plugins: [{ ...ours, parameters: {} }] },
      "spec.plugins[0].parameters.objectStore: objectStore or stanza is required: the name of an ObjectStore or of a Stanza",
    ],
  ])("is refused for a Cluster that %s", async (_, spec, message) => {
    const { service, orders } = recording();
    await expect(invoke(service, restore, { clusterDefinition: aCluster(spec) })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message,
    });
    expect(orders).toEqual([]);
  });
});
