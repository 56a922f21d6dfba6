import { describe, expect, it } from "vitest";
import { isReportDue } from "./schedule.ts";

const last = { entry: { role: "primary", readyFiles: 0, currentLSN: "0/1" }, atMs: 0 };

describe("when a sidecar reports", () => {
  it("reports at start", () => {
    expect(isReportDue({ role: "primary" }, undefined, 0)).toBe(true);
  });

  it("reports a change at most every ten seconds", () => {
    const next = { ...last.entry, readyFiles: 7 };
    expect(isReportDue(next, last, 9_999)).toBe(false);
    expect(isReportDue(next, last, 10_000)).toBe(true);
  });

  it("does not call a moving LSN a change, but gives a sign of life every minute", () => {
    const next = { ...last.entry, currentLSN: "0/2" };
    expect(isReportDue(next, last, 59_999)).toBe(false);
    expect(isReportDue(next, last, 60_000)).toBe(true);
  });

  it("tells at once that a backup waits for a segment, begins or ends", () => {
    const running = { ...last.entry, backup: { name: "b" } };
    expect(isReportDue(running, last, 1)).toBe(true);
    expect(
      isReportDue({ ...running, backup: { name: "b", waitingForSegment: "1" } }, { entry: running, atMs: 0 }, 1),
    ).toBe(true);
    expect(isReportDue(last.entry, { entry: running, atMs: 0 }, 1)).toBe(true);
  });
});
