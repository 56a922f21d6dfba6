import { describe, expect, it } from "vitest";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { planAnnouncements, planWishes } from "./plan.ts";

const report = (
  instances: NonNullable<InstanceReport["status"]>["instances"],
  spec?: InstanceReport["spec"],
): InstanceReport => ({
  metadata: { name: "pg" },
  ...(spec && { spec }),
  status: { instances: instances ?? {} },
});

describe("what is asked of the sidecars", () => {
  it("is a WAL switch past what a standby's backup waits for", () => {
    const waiting = report({ "pg-2": { backup: { name: "b", waitingForLSN: "0/5000028" } } });
    expect(planWishes(waiting)).toEqual({ switchWalAfter: "0/5000028" });
  });

  it("never goes back: the newest LSN counts, and an old wish stays", () => {
    const two = {
      "pg-2": { backup: { name: "b", waitingForLSN: "0/5000028" } },
      "pg-3": { backup: { name: "c", waitingForLSN: "1/0" } },
    };
    expect(planWishes(report(two))).toEqual({ switchWalAfter: "1/0" });
    expect(planWishes(report({}, { switchWalAfter: "2/0" }))).toEqual({ switchWalAfter: "2/0" });
  });

  it("is the end of a backup whose object was deleted while it runs", () => {
    const running = report({ "pg-2": { backup: { name: "b" } } });
    expect(planWishes(running, "b")).toEqual({ cancelBackup: "b" });
    expect(planWishes(report({}, { cancelBackup: "b" }))).toEqual({});
  });

  it("is nothing while no backup waits", () => {
    expect(planWishes(report({ "pg-1": { role: "primary" } }))).toEqual({});
  });
});

describe("what people hear of a restore", () => {
  it("is that it waits or failed, with the sidecar's words", () => {
    const waiting = report({
      "pg-1-full-recovery": { restore: { phase: "Waiting", message: "no answer from the store" } },
    });
    expect(planAnnouncements(waiting)).toEqual([
      { type: "Warning", reason: "RestoreWaiting", message: "pg-1-full-recovery: no answer from the store" },
    ]);
    expect(planAnnouncements(report({ p: { restore: { phase: "Copying" } } }))).toEqual([]);
  });
});
