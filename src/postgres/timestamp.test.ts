import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dateToMicros, formatMicros, fromPostgresTimestamp, microsToDate, parseMoment } from "./timestamp.ts";

const nine = "2026-11-21T09:15:00.000000Z";

describe("moments as CNPG accepts them", () => {
  it.each([
    ["2026-11-21T09:15:00Z", nine],
    ["2026-11-21T10:15:00+01:00", nine],
    ["2026-11-21T09:15:00", nine],
    ["2026-11-21T09:15:00.123456Z", "2026-11-21T09:15:00.123456Z"],
    ["2026-11-21T09:15:00.123456999Z", "2026-11-21T09:15:00.123456Z"],
    ["2026-11-21 09:15:00", nine],
    ["2026-11-21 09:15:00.5", "2026-11-21T09:15:00.500000Z"],
    ["2026-11-21 09:15:00.12345+00", "2026-11-21T09:15:00.123450Z"],
    ["2026-11-21 04:15:00-05", nine],
    ["2026-11-21 14:45:00+05:30", nine],
    ["2026-11-21 09:15:30+00:00:30", nine],
    ["2026-11-21 09:15:00Z", nine],
    ["2026-11-21", "2026-11-21T00:00:00.000000Z"],
  ])("%s", (text, expected) => expect(formatMicros(parseMoment(text)!)).toBe(expected));

  it.each([
    "",
    "now",
    "yesterday",
    "1763716500",
    "2026-02-30 10:00:00",
    "2026-13-01 10:00:00",
    "2026-11-21 24:00:00",
    "2026-11-21 09:15",
    "2026-11-21 09:15:00 UTC",
    "2026-11-21 09:15:00 Europe/Paris",
    "2026-11-21 09:15:00+16",
    "2026-11-21 09:15:00+01:60",
    "2026-11-21 09:15:60",
    "2026-11-21+01",
  ])("%j is none", (text) => expect(parseMoment(text)).toBeUndefined());

  it("keeps microseconds from text to text", () => {
    const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });
    fc.assert(fc.property(micros, (value) => parseMoment(formatMicros(value)) === value));
  });
});

describe("moments and dates", () => {
  it("goes down to the whole millisecond, also before 1970", () => {
    expect(microsToDate(1_999n).getTime()).toBe(1);
    expect(microsToDate(-1n).getTime()).toBe(-1);
    expect(dateToMicros(new Date(5))).toBe(5000n);
  });

  it("counts PostgreSQL's time from 2000-01-01", () => {
    expect(formatMicros(fromPostgresTimestamp(0n))).toBe("2000-01-01T00:00:00.000000Z");
  });
});
