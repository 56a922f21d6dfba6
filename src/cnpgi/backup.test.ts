import { describe, expect, it } from "vitest";
import { invoke, hex, invokeRaw, json } from "#test/contract/cnpgi-invoke.ts";
import { backupService, type BackupOrder, type BackupOutcome } from "./backup.ts";
import { Backup } from "./gen/backup_pb.ts";

const method = Backup.method;
const ours = { name: "holdfast.dev", parameters: { objectStore: "minio", serverName: "srv" } };
const request = (name = "b1", plugins: readonly object[] = [ours]) => ({
  clusterDefinition: json({ metadata: { name: "pg", namespace: "db" }, spec: { plugins } }),
  backupDefinition: json({ metadata: { name, namespace: "db" }, spec: { cluster: { name: "pg" }, method: "plugin" } }),
  parameters: { type: "full" },
});
const outcome: BackupOutcome = {
  backupId: "20261101T020304",
  backupName: "b1",
  startedAt: new Date("2026-11-01T02:03:04.900Z"),
  stoppedAt: new Date("2026-11-01T02:05:00Z"),
  beginWal: "000000010000000000000002",
  endWal: "000000010000000000000003",
  beginLsn: "0/2000028",
  endLsn: "0/3000050",
  backupLabel: Buffer.from("START WAL LOCATION"),
  tablespaceMap: Buffer.from("1234 /tbs"),
  instanceId: "pg-2",
  online: true,
  metadata: { sizeBytes: "42" },
};

describe("the backup service", () => {
  it("advertises backup, in these bytes", async () => {
    const service = backupService({ backup: async () => outcome });
    expect(hex(await invokeRaw(service, method.getCapabilities, {}))).toBe("0a 04 0a 02 08 01");
  });

  it("hands the order on and fills every field of the result", async () => {
    const orders: BackupOrder[] = [];
    const service = backupService({
      backup: async (order) => {
        orders.push(order);
        return outcome;
      },
    });
    const { $typeName: _, ...result } = await invoke(service, method.backup, request());
    expect(orders).toMatchObject([
      {
        cluster: { metadata: { name: "pg" } },
        backup: { metadata: { name: "b1" }, spec: { method: "plugin" } },
        store: { name: "minio", serverName: "srv" },
        parameters: { type: "full" },
      },
    ]);
    expect(result).toEqual({
      backupId: "20261101T020304",
      backupName: "b1",
      startedAt: 1_793_498_584n,
      stoppedAt: 1_793_498_700n,
      beginWal: "000000010000000000000002",
      endWal: "000000010000000000000003",
      beginLsn: "0/2000028",
      endLsn: "0/3000050",
      backupLabelFile: new Uint8Array(Buffer.from("START WAL LOCATION")),
      tablespaceMapFile: new Uint8Array(Buffer.from("1234 /tbs")),
      instanceId: "pg-2",
      online: true,
      metadata: { sizeBytes: "42" },
    });
  });

  it("makes one at a time, the next one after an end of any kind", async () => {
    const first = Promise.withResolvers<BackupOutcome>();
    const answers = [first.promise, Promise.resolve(outcome)];
    const port = { backup: () => answers.shift() ?? Promise.reject(new Error("one too many")) };
    const service = backupService(port, { patienceMs: 20 });
    const running = invoke(service, method.backup, request("b1"));
    await expect(invoke(service, method.backup, request("b2"))).rejects.toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: "backup b1 is running in this pod: one at a time",
    });
    first.reject(new Error("it broke"));
    await expect(running).rejects.toThrow("it broke");
    expect(await invoke(service, method.backup, request("b3"))).toMatchObject({ backupId: outcome.backupId });
  });

  it("lets the next one wait for one that is being given up, and runs those that wait one by one", async () => {
    const ends = [Promise.withResolvers<BackupOutcome>(), Promise.withResolvers<BackupOutcome>()];
    const begun: string[] = [];
    const service = backupService({
      backup: async ({ backup }) => {
        begun.push(backup.metadata.name);
        return (await ends[begun.length - 1]?.promise) ?? outcome;
      },
    });
    const [first, ...others] = ["b1", "b2", "b3"].map((name) => invoke(service, method.backup, request(name)));
    ends[0]!.reject(new Error("given up"));
    await expect(first).rejects.toThrow("given up");
    expect(begun).toHaveLength(2);
    ends[1]!.resolve(outcome);
    await Promise.all(others);
    expect(begun.toSorted()).toEqual(["b1", "b2", "b3"]);
  });

  it.each([
    ["does not list us", [], "holdfast.dev is not enabled in spec.plugins"],
    [
      "names its store in two ways",
      [{ ...ours, parameters: { objectStore: "minio", stanza: "x" } }],
      'spec.plugins[0].parameters.stanza: objectStore is "minio", stanza is "x"; give one of them',
    ],
  ])("refuses the backup of a Cluster that %s", async (_, plugins, message) => {
    const service = backupService({ backup: async () => outcome });
    await expect(invoke(service, method.backup, request("b1", plugins))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message,
    });
  });

  it("tells the engine when the caller is gone", async () => {
    const caller = new AbortController();
    const service = backupService({
      backup: (_, signal) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
    });
    const running = invoke(service, method.backup, request(), caller.signal);
    caller.abort(new Error("gone"));
    await expect(running).rejects.toThrow("gone");
  });
});
