import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import { judgeBackupSchedule } from "./backup-schedule.ts";

type Spec = BackupSchedule["spec"];

const now = new Date("2026-11-26T12:00:00Z");
const daily: Spec = { cluster: { name: "pg" }, schedules: [{ cron: "0 0 2 * * *" }] };
const schedule = (spec: Partial<Spec>, name = "nightly"): BackupSchedule => ({
  metadata: { name, namespace: "db" },
  spec: { ...daily, ...spec },
});
const judge = (spec: Partial<Spec>, old?: BackupSchedule) => judgeBackupSchedule({ object: schedule(spec), old, now });
const lines = (...crons: string[]) => ({ schedules: crons.map((cron) => ({ cron })) });

describe("a BackupSchedule that can run", () => {
  it("is answered with how each line was read and when it runs next", () => {
    expect(judge(lines("0 0 2 * * *", "30 4 * * 0"))).toEqual({
      problems: [],
      warnings: [
        "spec.schedules[0].cron: 6 fields, seconds first; next run 2026-11-27T02:00:00Z",
        "spec.schedules[1].cron: 5 fields, minutes first; next run 2026-11-29T04:30:00Z",
      ],
    });
    expect(judge({ timeZone: "Asia/Kolkata" }).warnings).toEqual([expect.stringContaining("2026-11-26T20:30:00Z")]);
  });

  it("is told its jitter as a part of the next run", () => {
    const [warning = ""] = judge({ jitter: "10m" }).warnings;
    const next = Date.parse(warning.replace(/.*next run /, ""));
    expect(next).toBeGreaterThanOrEqual(Date.parse("2026-11-27T02:00:00Z"));
    expect(next).toBeLessThanOrEqual(Date.parse("2026-11-27T02:10:00Z"));
  });

  it("is told when it is suspended", () => {
    expect(judge({ suspend: true }).warnings[0]).toContain("no backup is made");
  });

  it("is told when data goes with its Backups", () => {
    expect(judge({ deletionPolicy: "Delete" }, schedule({})).warnings).toEqual([
      "spec.deletionPolicy Delete: deleting a Backup of this schedule deletes its data from the store",
    ]);
    expect(judge({ deletionPolicy: "Delete" }, schedule({ deletionPolicy: "Delete" })).warnings).toEqual([]);
  });

  it("is told nothing again when its times stay as they were", () => {
    expect(judge({ failedHistoryLimit: 1 }, schedule({})).warnings).toEqual([]);
    expect(judge(lines("0 3 * * *"), schedule({})).warnings).toHaveLength(1);
  });
});

describe("a BackupSchedule that cannot run", () => {
  it.each<[Partial<Spec>, string, string]>([
    [lines("0 0 2 * *", "0 2 30 2 *"), "spec.schedules[1].cron", "never runs"],
    [lines("0 2 * *"), "spec.schedules[0].cron", "4 fields instead of 5 or 6"],
    [lines("*/5 * * * * *"), "spec.schedules[0].cron", "6 fields have the second first"],
    [lines("0 2 * * *", "0 0 2 ? * *"), "spec.schedules[1].cron", "the same times as spec.schedules[0].cron"],
    [{ schedules: [] }, "spec.schedules", "no line"],
    [{ timeZone: "Paris" }, "spec.timeZone", "did you mean Europe/Paris?"],
    [{ timeZone: "+02:00" }, "spec.timeZone", "is not the name of a time zone"],
    [{ jitter: "1d" }, "spec.jitter", "as in 24h"],
    [{ jitter: "10" }, "spec.jitter", "not a duration"],
    [{ jitter: "25h" }, "spec.jitter", "at most 24h"],
    [{ deadline: "30s" }, "spec.deadline", "between 1m and 168h"],
    [{ deadline: "169h" }, "spec.deadline", "between 1m and 168h"],
    [{ deadline: "soon" }, "spec.deadline", "not a duration"],
  ])("%j is refused at %s: %s", (spec, field, text) => {
    const { problems, warnings } = judge(spec);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ field });
    expect(`${problems[0]?.message}: ${problems[0]?.hint}`).toContain(text);
    expect(warnings).toEqual([]);
  });

  it("is looked at only up to the first line that never runs, which takes a while to find out", () => {
    expect(judge(lines("0 2 30 2 *", "0 3 30 2 *")).problems.map(({ field }) => field)).toEqual([
      "spec.schedules[0].cron",
    ]);
  });

  it("hears of every mistake at once", () => {
    const { problems } = judge({ ...lines("0 2 * *", "0 25 * * *"), timeZone: "Mars", jitter: "1d" });
    expect(problems.map(({ field }) => field)).toEqual([
      "spec.schedules[0].cron",
      "spec.schedules[1].cron",
      "spec.timeZone",
      "spec.jitter",
    ]);
  });

  it("may not move to another Cluster, nor have a name that is no label", () => {
    expect(judge({ cluster: { name: "other" } }, schedule({})).problems).toEqual([
      expect.objectContaining({ field: "spec.cluster.name", message: "cannot be changed from pg" }),
    ]);
    const long = judgeBackupSchedule({ object: schedule({}, "x".repeat(64)), now });
    expect(long.problems).toEqual([expect.objectContaining({ field: "metadata.name" })]);
  });
});

describe("any spec", () => {
  it("is judged within a moment, in sentences that kubectl shows whole", () => {
    const field = fc.constantFrom("*", "0", "2", "30", "31", "L", "MON#5", "+1#5", "*/7", "x", "61");
    const cron = fc.oneof(
      fc.array(field, { minLength: 4, maxLength: 7 }).map((parts) => parts.join(" ")),
      fc.string({ unit: "binary", maxLength: 300 }),
    );
    const text = fc.option(fc.oneof(fc.string({ maxLength: 100 }), fc.constantFrom("1h", "25h", "Europe/Paris")), {
      nil: undefined,
    });
    const line = fc.oneof(fc.record({ cron }), fc.anything());
    const spec = fc.oneof(
      fc.record({ schedules: fc.array(line, { maxLength: 30 }), timeZone: text, jitter: text, deadline: text }),
      fc.record({ schedules: fc.anything(), timeZone: fc.anything(), jitter: fc.anything(), deadline: fc.anything() }),
    );
    fc.assert(
      fc.property(spec, fc.oneof(spec, fc.anything()), (any, before) => {
        const startedAt = performance.now();
        const old = { ...schedule({}), spec: before as Spec };
        const { problems, warnings } = judge(any as unknown as Partial<Spec>, old);
        expect(performance.now() - startedAt).toBeLessThan(1000);
        for (const warning of warnings) expect(Buffer.byteLength(warning)).toBeLessThanOrEqual(256);
        for (const { field, message } of problems) {
          expect(field).toMatch(/^(spec|metadata)\./);
          expect(message.length).toBeLessThanOrEqual(200);
        }
        expect(problems.length === 0 || warnings.length === 0).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
