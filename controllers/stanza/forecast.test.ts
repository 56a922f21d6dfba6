import { describe, expect, it } from "vitest";
import type { InstanceEntry } from "#engine/report/reporter.ts";
import { forecast, keptSample, sampleOf } from "./forecast.ts";

const gib = 1024 ** 3;
const at = (time: string, currentLSN: string, freeBytes?: number): InstanceEntry => ({
  role: "primary",
  reportedAt: `2026-11-21T${time}Z`,
  currentLSN,
  ...(freeBytes !== undefined && { freeBytes }),
});
const before = sampleOf(at("12:00:00", "0/0"));

describe("the forecast of pg_wal", () => {
  it("divides what is free by what was written between two reports", () => {
    // 64 MiB a minute: 3840 MiB an hour.
    expect(forecast(before, at("12:01:00", "0/4000000", 12 * gib))).toBe(
      "pg_wal is full in about 3 h at the current rate",
    );
    expect(forecast(before, at("12:01:00", "0/4000000", gib))).toBe(
      "pg_wal is full within half an hour at the current rate",
    );
    expect(forecast(before, at("12:01:00", "0/4000000", 2000 * gib))).toBe(
      "pg_wal is full in more than a week at the current rate",
    );
  });

  it("says nothing that it cannot know", () => {
    expect(forecast(before, at("12:01:00", "0/0", gib))).toBeUndefined();
    expect(forecast(before, at("12:01:00", "0/4000000"))).toBeUndefined();
    expect(forecast(before, at("12:00:05", "0/4000000", gib))).toBeUndefined();
    expect(forecast(undefined, at("12:01:00", "0/4000000", gib))).toBeUndefined();
    expect(forecast(before, undefined)).toBeUndefined();
  });

  it("compares with the older report until that tells of another time or another timeline", () => {
    const later = sampleOf(at("12:30:00", "0/4000000"));
    expect(keptSample(before, later)).toBe(before);
    const tomorrow = sampleOf(at("13:30:00", "0/4000000"));
    expect(keptSample(before, tomorrow)).toBe(tomorrow);
    expect(keptSample(later, sampleOf(at("12:31:00", "0/1000000")))?.lsn).toBe(0x1000000n);
    expect(keptSample(before, undefined)).toBe(before);
  });
});
