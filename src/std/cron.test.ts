import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCronProblem, readCron, type CronLine } from "./cron.ts";

function line(text: string, timeZone = "UTC"): CronLine {
  const reading = readCron(text, timeZone);
  if (isCronProblem(reading)) throw new Error(reading.problem);
  return reading;
}

/** Every moment in the half-open interval from `from` to `to`. */
function moments(text: string, timeZone: string, from: string, to: string): string[] {
  const { next } = line(text, timeZone);
  const found: string[] = [];
  for (let at = next(new Date(Date.parse(from) - 1)); at !== undefined && at < new Date(to); at = next(at))
    found.push(at.toISOString().replace(".000Z", "Z"));
  return found;
}

describe("a cron line", () => {
  it("has the minute first with five fields and the second first with six", () => {
    const at = new Date("2026-11-26T12:00:00Z");
    expect(line("5 2 * * *").next(at)?.toISOString()).toBe("2026-11-27T02:05:00.000Z");
    expect(line("5 2 * * * *").next(at)?.toISOString()).toBe("2026-11-26T12:02:05.000Z");
    expect(line("5 2 * * *").fieldCount).toBe(5);
    expect(line("5 2 * * * *").fieldCount).toBe(6);
    expect(line(" 0\t2 * *   * ").next(at)?.toISOString()).toBe("2026-11-27T02:00:00.000Z");
    expect(line("@daily").next(at)?.toISOString()).toBe("2026-11-27T00:00:00.000Z");
  });

  it("is the same line however it is written", () => {
    expect(line("00 02 * * mon").canonical).toBe(line("0 0 2 ? * MON").canonical);
    expect(line("@daily").canonical).toBe(line("0 0 * * *").canonical);
    expect(line("10 2 * * *").canonical).not.toBe(line("1 2 * * *").canonical);
  });

  it.each([
    ["", "empty"],
    ["* * * *", "4 fields instead of 5 or 6"],
    ["daily", "1 field instead of 5 or 6"],
    ["0 0 2 * * * 2027", "7 fields instead of 5 or 6"],
    ["2026-01-01T00:00:00", "1 field instead of 5 or 6"],
    ["61 2 * * *", 'minute "61" cannot be read'],
    ["0 24 * * *", 'hour "24" cannot be read'],
    ["0 2 32 * *", 'day of month "32" cannot be read'],
    ["0 2 * 13 *", 'month "13" cannot be read'],
    ["0 2 * * 8", 'day of week "8" cannot be read'],
    ["0 2 * * MONDAY", 'day of week "MONDAY" cannot be read'],
    ["0 22-2 * * *", 'hour "22-2" cannot be read'],
    ["*/0 * * * *", 'minute "*/0" cannot be read'],
    ["5/5 * * * *", 'minute "5/5" cannot be read'],
    ["1,,2 * * * *", 'minute "1,,2" cannot be read'],
    ["*/5 * * * * *", '6 fields have the second first, and second "*/5" is not one number from 0 to 59'],
    ["* * * * * *", '6 fields have the second first, and second "*" is not one number from 0 to 59'],
    ["@every 1h", "@every counts from the operator's start, so it is not supported"],
    ["@reboot", 'unknown name "@reboot"'],
    ["TZ=Europe/Paris 0 2 * * *", "a cron line has no time zone of its own"],
    [`0 2 ${"1,".repeat(200)}1 * *`, "longer than 200 characters"],
  ])("says what is wrong with %j", (text, problem) => {
    const reading = readCron(text, "UTC");
    expect(reading).toMatchObject({ problem });
    expect(isCronProblem(reading) && reading.hint).toBeTruthy();
  });

  it("says which of the two was meant when the second is a step", () => {
    expect(readCron("*/5 * * * * *", "UTC")).toMatchObject({
      hint: 'write "0 * * * * *", or five fields with the minute first: "*/5 * * * *"',
    });
  });

  it("never runs on a day that does not exist", () => {
    expect(line("0 2 30 2 *").next(new Date("2026-01-01T00:00:00Z"))).toBeUndefined();
  });
});

describe("when the clocks change", () => {
  const day = (zone: string, date: string): [string, string] => {
    // From local midnight to local midnight, found by the zone's own daily line at 00:00.
    const midnight = line("0 0 * * *", zone);
    const from = midnight.next(new Date(Date.parse(`${date}T00:00:00Z`) - 16 * 3_600_000)) ?? new Date(0);
    return [from.toISOString(), (midnight.next(from) ?? new Date(0)).toISOString()];
  };

  it.each([
    ["Europe/Paris", "2026-03-29T00:00:00Z", "30 2 * * *", ["2026-03-29T01:00:00Z"], "skipped: at the end of the gap"],
    ["Europe/Paris", "2026-10-25T00:00:00Z", "30 2 * * *", ["2026-10-25T00:30:00Z"], "repeated: the first time"],
    ["Europe/Paris", "2027-03-28T00:00:00Z", "30 2 * * *", ["2027-03-28T01:00:00Z"], "skipped"],
    ["Europe/Paris", "2027-10-31T00:00:00Z", "0 2 * * *", ["2027-10-31T00:00:00Z"], "repeated"],
    ["Europe/Paris", "2026-03-29T00:00:00Z", "0 0 2 * * *", ["2026-03-29T01:00:00Z"], "six fields"],
    ["America/New_York", "2026-03-08T04:00:00Z", "30 2 * * *", ["2026-03-08T07:00:00Z"], "skipped"],
    ["America/New_York", "2026-11-01T03:00:00Z", "30 1 * * *", ["2026-11-01T05:30:00Z"], "repeated"],
    ["Australia/Lord_Howe", "2026-10-03T12:00:00Z", "15 2 * * *", ["2026-10-03T15:30:00Z"], "a gap of half an hour"],
    ["America/Santiago", "2026-09-06T03:30:00Z", "30 0 * * *", ["2026-09-06T04:00:00Z"], "a gap at midnight"],
    [
      "Europe/Paris",
      "2026-03-29T00:00:00Z",
      "30 2,14 * * *",
      ["2026-03-29T01:00:00Z", "2026-03-29T12:30:00Z"],
      "a list",
    ],
  ])("in %s on %s, %j runs at %j (%s)", (zone, from, text, expected) => {
    const to = new Date(Date.parse(from) + 20 * 3_600_000).toISOString();
    expect(moments(text, zone, from, to)).toEqual(expected);
  });

  it("follows the real hours with a wildcard", () => {
    expect(moments("0 * * * *", "Europe/Paris", "2026-10-24T23:30:00Z", "2026-10-25T03:30:00Z")).toHaveLength(4);
    expect(moments("0 * * * *", "Europe/Paris", "2026-03-28T23:30:00Z", "2026-03-29T03:30:00Z")).toHaveLength(4);
  });

  it("runs a daily line once on every local day of two years", () => {
    for (const zone of ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
      for (const date of [
        "2026-03-08",
        "2026-03-29",
        "2026-04-05",
        "2026-10-04",
        "2026-10-25",
        "2026-11-01",
        "2027-03-28",
      ])
        for (const text of ["30 2 * * *", "30 1 * * *", "0 3 * * *"])
          expect(moments(text, zone, ...day(zone, date)), `${zone} ${date} ${text}`).toHaveLength(1);
  });

  it("finds the same moments backwards as forwards", () => {
    const texts = ["30 2 * * *", "30 2,14 * * *", "*/30 * * * *", "0 0 L * *", "7 15 1-3 * * *", "0 2 * * 7#1"];
    const zones = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC"];
    const begin = Date.parse("2026-01-01T00:00:00Z");
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.constantFrom(...zones),
        fc.integer({ min: begin, max: begin + 2 * 365 * 86_400_000 }),
        (text, zone, ms) => {
          const { next, latest } = line(text, zone);
          const moment = new Date(ms);
          const before = latest(moment)!;
          const after = next(moment)!;
          expect(before <= moment && moment < after).toBe(true);
          expect(next(before)).toEqual(after);
          expect(latest(before)).toEqual(before);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("any text", () => {
  it("is read or refused, and neither hangs nor throws", () => {
    const part = fc.oneof(
      fc.constantFrom(
        "*",
        "0",
        "1",
        "L",
        "W",
        "31W",
        "MON#5",
        "+1#5",
        "*/7",
        "1-5",
        "30",
        "2",
        "?",
        "@",
        "TZ=x",
        "2026-01-01T00:00",
      ),
      fc.string({ maxLength: 6 }),
    );
    const texts = fc.oneof(
      fc.array(part, { maxLength: 8 }).map((parts) => parts.join(" ")),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const reading = readCron(text, "Europe/Paris");
        if (isCronProblem(reading)) expect(reading.hint.length).toBeGreaterThan(0);
        else reading.next(new Date("2026-11-26T12:00:00Z"));
      }),
      { numRuns: 100 },
    );
  });
});
