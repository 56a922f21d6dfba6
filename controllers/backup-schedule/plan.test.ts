import { describe, expect, it } from "vitest";
import { readAgenda } from "#api/backup-schedule.ts";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import { runName } from "#api/names.ts";
import type { Observed, Run } from "./facts.ts";
import { planSchedule, type Plan } from "./plan.ts";
import { conditionsOf } from "./status.ts";

type Spec = BackupSchedule["spec"];
type Mutable = { now: Date; spec: Spec; cluster: Observed["cluster"]; status: BackupSchedule["status"]; runs: Run[] };

const minutely = (changes: Partial<Spec> = {}): Spec => ({
  cluster: { name: "pg" },
  schedules: [{ cron: "* * * * *" }],
  ...changes,
});
const daily = (changes: Partial<Spec> = {}): Spec => minutely({ schedules: [{ cron: "0 2 * * *" }], ...changes });

/** A schedule with a clock of its own: what the plan says is done, and the status is kept as the API server would. */
function aWorld(spec: Spec, createdAt = "2026-11-26T12:00:30Z", phaseOfNew = "Completed") {
  const world: Mutable = { now: new Date(createdAt), spec, cluster: "found", status: undefined, runs: [] };
  const made: string[] = [];
  const look = (): Plan => {
    const { now, cluster, runs } = world;
    const metadata = { name: "nightly", namespace: "db", creationTimestamp: createdAt };
    const schedule = { metadata, spec: world.spec, status: world.status } as BackupSchedule;
    const { problems, agenda } = readAgenda(world.spec, "db/nightly", now);
    const invalid = problems.map(({ field, message }) => `${field}: ${message}`).join("; ");
    const plan = planSchedule({ schedule, now, cluster, runs, ...(agenda ? { agenda } : { invalid }) });
    world.status = plan.facts;
    for (const action of plan.actions) {
      if (action.kind === "deleteBackup") world.runs = world.runs.filter(({ name }) => name !== action.name);
      else {
        const name = runName("nightly", action.planned);
        made.push(name);
        const run = {
          name,
          uid: name,
          createdAt: now,
          planned: action.planned,
          phase: phaseOfNew,
          isDeleting: false,
          isStored: false,
        };
        world.runs = [...world.runs, run];
      }
    }
    return plan;
  };
  return {
    made,
    look,
    world,
    /** Looks at the schedule at this moment until nothing more is done. */
    at: (moment: string): Plan => {
      world.now = new Date(moment);
      for (let tries = 0; tries < 10; tries++) {
        const plan = look();
        if (plan.actions.length === 0) return plan;
      }
      throw new Error("it does not come to rest");
    },
    /** Lives from one moment to another, looking again whenever the plan asks for it; `until` is not included. */
    live: (until: string): void => {
      for (let steps = 0; steps < 100_000; steps++) {
        const { requeueAfterMs = Infinity } = look();
        world.now = new Date(Math.min(world.now.getTime() + requeueAfterMs, Date.parse(until)));
        if (world.now >= new Date(until)) return;
      }
      throw new Error("it never gets there");
    },
    end: (phase: string, message = ""): void => {
      world.runs = world.runs.map((run) =>
        run.phase === "Running" ? { ...run, phase, message, reason: "EngineError" } : run,
      );
    },
  };
}

describe("runs", () => {
  it("are made at their times and named after them, none before the schedule was created", () => {
    const { made, live } = aWorld(daily());
    live("2026-11-28T12:00:00Z");
    expect(made).toEqual(["nightly-20261127020000", "nightly-20261128020000"]);
  });

  it("are announced: the next one, the last one, and its Backup", () => {
    const { at } = aWorld(daily());
    expect(at("2026-11-26T12:00:30Z").facts).toMatchObject({
      nextRun: "2026-11-27T02:00:00Z",
      schedule: "0 2 * * * UTC",
    });
    expect(at("2026-11-27T02:00:00Z").facts).toMatchObject({
      nextRun: "2026-11-28T02:00:00Z",
      lastRun: "2026-11-27T02:00:00Z",
      lastBackup: "nightly-20261127020000",
      handledUntil: "2026-11-27T02:00:00Z",
    });
  });

  it("happen once on the days on which the clocks change", () => {
    const spec = daily({ schedules: [{ cron: "30 2 * * *" }], timeZone: "Europe/Paris" });
    const autumn = aWorld(spec, "2026-10-24T12:00:00Z");
    autumn.live("2026-10-26T12:00:00Z");
    expect(autumn.made).toEqual(["nightly-20261025003000", "nightly-20261026013000"]);
    const spring = aWorld(spec, "2027-03-27T12:00:00Z");
    spring.live("2027-03-29T12:00:00Z");
    expect(spring.made).toEqual(["nightly-20270328010000", "nightly-20270329003000"]);
  });

  it("start late by the jitter, which is the same each day, and keep the name of their planned time", () => {
    const { made, live, world } = aWorld(daily({ jitter: "2h" }));
    live("2026-11-29T12:00:00Z");
    const late = world.runs.map(({ createdAt, planned }) => createdAt.getTime() - (planned?.getTime() ?? 0));
    expect(new Set(late).size).toBe(1);
    expect(late[0]).toBeGreaterThan(0);
    expect(late[0]).toBeLessThanOrEqual(7_200_000);
    expect(made).toContain("nightly-20261127020000");
  });

  it("that are due at the same moment are one Backup, as the first of their lines says", () => {
    const { live, made, world } = aWorld(
      daily({
        schedules: [
          { cron: "0 2 * * 5", target: "primary" },
          { cron: "0 2 * * *", target: "prefer-standby" },
        ],
      }),
    );
    const targets: unknown[] = [];
    for (const day of ["2026-11-27", "2026-11-28"]) {
      live(`${day}T02:00:00Z`);
      const action = planOf(world).actions[0];
      targets.push(action?.kind === "createBackup" && action.line.target);
      live(`${day}T03:00:00Z`);
    }
    expect(made).toEqual(["nightly-20261127020000", "nightly-20261128020000"]);
    expect(targets).toEqual(["primary", "prefer-standby"]);
  });
});

const planOf = ({ now, spec, cluster, status, runs }: Mutable): Plan => {
  const { agenda } = readAgenda(spec, "db/nightly", now);
  const metadata = { name: "nightly", namespace: "db", creationTimestamp: "2026-11-26T12:00:30Z" };
  return planSchedule({
    schedule: { metadata, spec, status } as BackupSchedule,
    now,
    cluster,
    runs,
    ...(agenda && { agenda }),
  });
};

describe("missed runs", () => {
  it("of a week of minutes in suspension are made up for by exactly one Backup", () => {
    const { at, made, world } = aWorld(minutely());
    at("2026-11-26T12:01:00Z");
    world.spec = minutely({ suspend: true });
    for (let hour = 0; hour < 7 * 24; hour += 5)
      at(new Date(Date.parse("2026-11-26T13:00:00Z") + hour * 3_600_000).toISOString());
    expect(made).toEqual(["nightly-20261126120100"]);
    world.spec = minutely();
    at("2026-12-03T12:30:20Z");
    expect(made).toEqual(["nightly-20261126120100", "nightly-20261203123000"]);
    at("2026-12-03T12:30:40Z");
    expect(made).toHaveLength(2);
  });

  it("of a downtime are made up for by exactly one Backup, also when there was no look before it", () => {
    const { at, made } = aWorld(daily());
    at("2026-12-05T09:00:00Z");
    expect(made).toEqual(["nightly-20261205020000"]);
    expect(at("2026-12-05T10:00:00Z").facts.nextRun).toBe("2026-12-06T02:00:00Z");
  });

  it("for want of the Cluster are made up for by one when it is there", () => {
    const { at, made, world } = aWorld(daily());
    world.cluster = "missing";
    const plan = at("2026-11-29T09:00:00Z");
    expect(plan.verdict).toMatchObject({ ready: "False", reason: "ClusterNotFound" });
    expect(made).toEqual([]);
    world.cluster = "found";
    at("2026-11-29T10:00:00Z");
    expect(made).toEqual(["nightly-20261129020000"]);
  });

  it("are none when the times are changed: new times count from the change", () => {
    const { at, made, world } = aWorld(daily());
    at("2026-11-27T12:00:00Z");
    expect(made).toHaveLength(1);
    world.spec = daily({ schedules: [{ cron: "0 11 * * *" }] });
    expect(at("2026-11-27T12:30:00Z").facts.nextRun).toBe("2026-11-28T11:00:00Z");
    world.spec = daily({ schedules: [{ cron: "0 11 * * *" }], timeZone: "Asia/Tokyo" });
    at("2026-11-27T13:00:00Z");
    expect(made).toHaveLength(1);
  });

  it("are not taken for new ones when the clock jumps back", () => {
    const { at, made } = aWorld(minutely());
    at("2026-11-26T14:00:00Z");
    at("2026-11-26T12:30:00Z");
    at("2026-11-26T13:59:30Z");
    expect(made).toEqual(["nightly-20261126140000"]);
    at("2026-11-26T14:01:00Z");
    expect(made).toHaveLength(2);
  });

  it("do not keep a schedule silent for years after a clock that was years ahead", () => {
    const { at, made } = aWorld(daily());
    at("2036-01-01T00:00:00Z");
    at("2026-11-26T13:00:00Z");
    expect(made).toHaveLength(1);
    at("2026-11-27T02:00:00Z");
    expect(made.at(-1)).toBe("nightly-20261127020000");
  });

  it("stay made when people delete the Backups", () => {
    const { at, made, world } = aWorld(daily());
    at("2026-11-27T02:00:00Z");
    world.runs = [];
    const { facts } = at("2026-11-27T02:00:10Z");
    expect(made).toHaveLength(1);
    expect(facts).toMatchObject({ lastRun: "2026-11-27T02:00:00Z", lastEnded: { phase: "Completed" } });
  });
});

describe("what is told of runs", () => {
  it("does not go back to an older one when people delete the newest Backup", () => {
    const { at, world } = aWorld(daily());
    at("2026-11-27T02:00:00Z");
    const told = at("2026-11-28T02:00:00Z").facts;
    expect(told).toMatchObject({ lastBackup: "nightly-20261128020000" });
    world.runs = world.runs.slice(0, 1);
    expect(at("2026-11-28T02:10:00Z").facts).toEqual(told);
  });
});

describe("a run that is due while the one before it goes on", () => {
  it("waits, alone, and is made once when that has ended", () => {
    const { at, made, world, end } = aWorld(minutely(), "2026-11-26T12:00:30Z", "Running");
    at("2026-11-26T12:01:00Z");
    const held = at("2026-11-26T12:31:10Z");
    expect(made).toHaveLength(1);
    expect(held.isHeld).toBe(true);
    expect(held.verdict).toMatchObject({ ready: "True", message: expect.stringContaining("waits until") });
    expect(held.facts).toMatchObject({ active: "nightly-20261126120100", nextRun: "2026-11-26T12:32:00Z" });
    end("Completed");
    at("2026-11-26T12:31:20Z");
    expect(made).toEqual(["nightly-20261126120100", "nightly-20261126123100"]);
    expect(world.runs).toHaveLength(2);
  });
});

describe("Ready", () => {
  const failed = (world: ReturnType<typeof aWorld>): Plan => {
    world.at("2026-11-27T02:00:00Z");
    world.end("Failed", "disk full");
    return world.at("2026-11-27T02:05:00Z");
  };

  it("is True while nothing speaks against it, and says when nothing has ended yet", () => {
    const { at } = aWorld(daily());
    expect(at("2026-11-26T13:00:00Z").verdict).toEqual({
      ready: "True",
      reason: "Succeeded",
      message: "no run has ended yet",
    });
    expect(at("2026-11-27T13:00:00Z").verdict.message).toBe("the newest run that has ended is Completed");
  });

  it("is False with the Backup's reason after a failure, also when that Backup is gone, until one completes", () => {
    const world = aWorld(daily({ failedHistoryLimit: 0 }), "2026-11-26T12:00:00Z", "Running");
    const plan = failed(world);
    const verdict = {
      ready: "False",
      reason: "EngineError",
      message: "Backup nightly-20261127020000 failed: disk full",
    };
    expect(world.world.runs).toEqual([]);
    expect(plan.verdict).toEqual(verdict);
    expect(world.at("2026-11-27T10:00:00Z").verdict).toEqual(verdict);
    world.at("2026-11-28T02:00:00Z");
    world.end("Completed");
    expect(world.at("2026-11-28T02:05:00Z").verdict.ready).toBe("True");
  });

  it("is Unknown while suspended, never green, and nothing is planned", () => {
    const world = aWorld(daily());
    world.at("2026-11-27T03:00:00Z");
    world.world.spec = daily({ suspend: true });
    const { verdict, facts, requeueAfterMs } = world.at("2026-11-27T04:00:00Z");
    expect(verdict).toMatchObject({ ready: "Unknown", reason: "Suspended" });
    expect(facts.nextRun).toBeUndefined();
    expect(requeueAfterMs).toBeUndefined();
  });

  it("is False and Stalled with the field that is wrong, and goes on from the correction without a backfill", () => {
    const world = aWorld(daily({ schedules: [{ cron: "0 25 * * *" }] }));
    const { verdict } = world.at("2026-11-26T13:00:00Z");
    expect(verdict).toMatchObject({
      ready: "False",
      reason: "InvalidSpec",
      message: expect.stringContaining("schedules[0]"),
    });
    const schedule = { metadata: { name: "nightly" }, spec: daily() };
    expect(conditionsOf(schedule, verdict).map(({ type, status }) => `${type}=${status}`)).toEqual([
      "Ready=False",
      "Stalled=True",
    ]);
    world.world.spec = daily();
    world.at("2026-11-27T12:00:00Z");
    expect(world.made).toEqual([]);
  });

  it("says when the Cluster does not use the plugin, and makes nothing", () => {
    const { at, world, made } = aWorld(daily());
    world.cluster = "no-plugin";
    expect(at("2026-11-28T12:00:00Z").verdict).toMatchObject({ ready: "False", reason: "PluginNotConfigured" });
    expect(made).toEqual([]);
  });
});

describe("how the newest run ended", () => {
  it("is told of it, also when an older one fails late or is all that is left", () => {
    const { at, world } = aWorld(daily());
    at("2026-11-27T02:00:00Z");
    at("2026-11-28T02:00:00Z");
    world.runs = world.runs.slice(0, 1).map((run) => ({ ...run, phase: "Missing" }));
    expect(at("2026-11-28T03:00:00Z").facts.lastEnded).toMatchObject({
      backup: "nightly-20261128020000",
      phase: "Completed",
    });
  });
});

describe("failed Backups", () => {
  it("are kept up to the limit, the newest; completed and running ones always", () => {
    const run = (name: string, phase: string, minute: number, changes: Partial<Run> = {}): Run => ({
      name,
      uid: name,
      createdAt: new Date(Date.UTC(2026, 10, 26, 1, minute)),
      phase,
      isDeleting: false,
      isStored: false,
      ...changes,
    });
    const { world, look } = aWorld(daily({ failedHistoryLimit: 2 }));
    world.runs = [
      run("f1", "Failed", 1),
      run("c1", "Completed", 2),
      run("f2", "Failed", 3),
      run("f3", "Failed", 4, { isDeleting: true }),
      run("without-wal", "Failed", 0, { isStored: true }),
      run("f4", "Failed", 5),
      run("m1", "Missing", 6),
      run("f5", "Failed", 7),
      run("r1", "Running", 8),
    ];
    const deleted = look().actions.flatMap((action) => (action.kind === "deleteBackup" ? action.name : []));
    expect(deleted).toEqual(["f2", "f1"]);
  });
});

describe("the next look", () => {
  it("is when the next run starts, at most an hour away so that a clock that was set is noticed", () => {
    const { at } = aWorld(daily());
    expect(at("2026-11-27T01:59:00Z").requeueAfterMs).toBe(60_000);
    expect(at("2026-11-27T12:00:00Z").requeueAfterMs).toBe(3_600_000);
  });
});
