import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { decodeBackup } from "#cnpg/backup.ts";
import { queueOf, type QueueInput } from "./queue.ts";

const now = new Date("2026-11-21T09:10:00Z");
const at = (minute: number): string => `2026-11-21T09:0${minute}:00Z`;
const request = (name: string, minute: number, status: Backup["status"] = {}): Backup => ({
  metadata: { name, namespace: "db", uid: name, creationTimestamp: at(minute) },
  spec: { cluster: { name: "pg" } },
  status,
});
const work = (name: string, phase: string, minute: number, of?: string) =>
  decodeBackup({
    metadata: {
      name,
      namespace: "db",
      creationTimestamp: at(minute),
      ...(of !== undefined && { labels: { "holdfast.dev/backup": of } }),
    },
    spec: { cluster: { name: "pg" }, method: "plugin" },
    status: { phase },
  });
const running = (name: string, reportedAt = now.toISOString()): InstanceReport => ({
  metadata: { name: "pg" },
  status: { instances: { "pg-1": { reportedAt, backup: { name } } } },
});
const queue = (backup: Backup, others: Partial<QueueInput>) =>
  queueOf({ backup, backups: [backup], works: [], report: undefined, now, ...others });

describe("the queue of a Cluster", () => {
  it("is empty for a request alone, and for one whose own work runs", () => {
    expect(queue(request("b", 1), {})).toEqual({ length: 0 });
    expect(queue(request("b", 1), { works: [work("b", "started", 1, "b")], report: running("b") })).toEqual({
      length: 0,
    });
  });

  it("goes by creation, then by name; each waits behind the one before it", () => {
    const backups = [request("c", 1), request("b", 1), request("a", 2)];
    const placed = backups.map((backup) => [backup.metadata.name, queue(backup, { backups })]);
    expect(Object.fromEntries(placed)).toEqual({
      b: { length: 0 },
      c: { length: 1, behind: "b" },
      a: { length: 2, behind: "c" },
    });
  });

  it("counts no request that is ended, has its data stored, or waits to be tried again", () => {
    const backups = [
      request("failed", 1, { phase: "Failed" }),
      request("stored", 1, { phase: "Finalizing", backupId: "20261121T090000" }),
      request("later", 1, { phase: "Pending", nextAttemptAt: "2026-11-21T09:11:00Z" }),
      request("mine", 2),
    ];
    expect(queue(backups[3]!, { backups })).toEqual({ length: 0 });
    const due = [request("due", 1, { phase: "Pending", nextAttemptAt: at(9) }), request("mine", 2)];
    expect(queue(due[1]!, { backups: due })).toEqual({ length: 1, behind: "due" });
  });

  it("counts what runs for whomever, and what waits in CloudNativePG's own queue only when it is older", () => {
    const mine = request("mine", 2);
    expect(queue(mine, { works: [work("theirs", "started", 5)] })).toEqual({ length: 1, behind: "theirs" });
    expect(queue(mine, { works: [work("theirs", "pending", 1)] })).toEqual({ length: 1, behind: "theirs" });
    expect(queue(mine, { works: [work("theirs", "pending", 5)] })).toEqual({ length: 0 });
    expect(queue(mine, { works: [work("theirs", "failed", 1)] })).toEqual({ length: 0 });
  });

  it("waits for a sidecar that still gives up a backup, as long as it reports", () => {
    const mine = request("mine", 2);
    expect(queue(mine, { report: running("deleted") })).toEqual({ length: 1, behind: "deleted" });
    expect(queue(mine, { report: running("deleted", "2026-11-21T09:07:00Z") })).toEqual({ length: 0 });
    const restarted = { works: [work("mine", "failed", 2, "mine")], report: running("mine") };
    expect(queue(mine, restarted)).toEqual({ length: 1, behind: "mine" });
  });
});
