import { describe, expect, it } from "vitest";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import { describeProgress, Progresses } from "./progress.ts";

const gibibyte = 1024 ** 3;
const report = (second: number, bytesDone: number, name = "b"): InstanceReport => ({
  metadata: { name: "pg" },
  status: {
    instances: {
      "pg-1": {
        reportedAt: new Date(Date.UTC(2026, 10, 21, 9, 0, second)).toISOString(),
        backup: { name, bytesDone, bytesTotal: 4.1 * gibibyte },
      },
    },
  },
});

describe("progress", () => {
  it("is shown with its rate while files are copied, without one before the second report and while WAL is waited for", () => {
    const [bytesDone, bytesTotal] = [1.2 * gibibyte, 4.1 * gibibyte];
    const bytesPerSecond = 88 * 1024 ** 2;
    expect(describeProgress({ bytesDone, bytesTotal, bytesPerSecond })).toEqual({
      progress: "1.2Gi/4.1Gi 88Mi/s",
      bytesPerSecond,
    });
    expect(describeProgress({ bytesDone, bytesTotal })).toEqual({ progress: "1.2Gi/4.1Gi" });
    expect(describeProgress({ bytesDone, bytesTotal, bytesPerSecond, waitingForSegment: "x" })).toEqual({
      progress: "1.2Gi/4.1Gi",
    });
    expect(describeProgress({ bytesDone: 0, bytesTotal: 0 })).toEqual({});
  });

  it("has its rate from two reports; the same report again changes nothing", () => {
    const progresses = new Progresses();
    expect(progresses.read("u", "b", report(0, 0))).not.toHaveProperty("bytesPerSecond");
    expect(progresses.read("u", "b", report(10, 880))).toMatchObject({ bytesDone: 880, bytesPerSecond: 88 });
    expect(progresses.read("u", "b", report(10, 880))).toMatchObject({ bytesPerSecond: 88 });
    expect(progresses.read("u", "b", report(20, 880))).toMatchObject({ bytesPerSecond: 0 });
  });

  it("begins anew with another attempt", () => {
    const progresses = new Progresses();
    progresses.read("u", "b", report(0, 5000));
    expect(progresses.read("u", "b-2", report(10, 100, "b-2"))).not.toHaveProperty("bytesPerSecond");
    expect(progresses.read("u", "b-2", report(10, 100, "other"))).toBeUndefined();
  });
});
