import { expect, it } from "vitest";
import { runningBackups } from "./instance-report.ts";

it("tells of no backup of a pod that is gone", () => {
  const instances = {
    "pg-1": { reportedAt: "2026-11-26T11:50:00Z", backup: { name: "cut-off" } },
    "pg-2": { reportedAt: "2026-11-26T11:59:30Z", backup: { name: "running" } },
  };
  const report = { metadata: { name: "pg" }, status: { instances } };
  expect(runningBackups(report, new Date("2026-11-26T12:00:00Z"))).toEqual(["running"]);
});
