import { describe, expect, it } from "vitest";
import { passed } from "#store/check.ts";
import { keepMeasurements } from "./status.ts";

const now = new Date("2026-11-21T12:00:00Z");
const checks = (...latencies: readonly number[]) =>
  latencies.map((latencyMs) => ({ ...passed("List", "objects can be listed"), latencyMs }));
const shown = { lastCheckedTime: "2026-11-21T11:55:00Z", serverCount: 1, checks: checks(3, 4) };
const keep = (next: object, before: object = shown) =>
  keepMeasurements(before, { lastCheckedTime: "2026-11-21T12:00:00Z", ...next }, "lastCheckedTime", now);

describe("the time of the last look and the latencies", () => {
  it("stay as they are shown while nothing else changes", () => {
    expect(keep({ serverCount: 1, checks: checks(30, 40) })).toEqual(shown);
  });

  it("are told with anything that changes", () => {
    const next = { serverCount: 2, checks: checks(30, 40) };
    expect(keep(next)).toEqual({ lastCheckedTime: "2026-11-21T12:00:00Z", ...next });
    const [first] = checks(30);
    const failing = { serverCount: 1, checks: [first, { ...first, status: "Failed" }] };
    expect(keep(failing)).toMatchObject({ lastCheckedTime: "2026-11-21T12:00:00Z" });
  });

  it("are told after ten minutes, and when none was told before", () => {
    const same = { serverCount: 1, checks: checks(30, 40) };
    expect(keep(same, { ...shown, lastCheckedTime: "2026-11-21T11:49:00Z" })).toMatchObject(same);
    expect(keepMeasurements(undefined, { lastCheckedTime: "x" }, "lastCheckedTime", now)).toEqual({
      lastCheckedTime: "x",
    });
  });
});
