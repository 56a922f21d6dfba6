// A schedule as its users see it: it says when it runs, a Backup comes at that time and ends Completed, suspension is seen,
// and its Backups outlive it.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyAll, changed, example, exampleOf } from "./manifests.ts";
import { freshNamespace, kubectl, read, until, untilHealthy } from "./steps.ts";

const namespace = "schedule";
const folder = `${namespace}-${Date.now()}`;
const cluster = exampleOf("Cluster", "cluster.yaml", folder);
const nightly = exampleOf("BackupSchedule", "backupschedule.yaml", folder);
const field = (path: string): Promise<string> => read(namespace, "backupschedules/soon", path);
const ready = '{.status.conditions[?(@.type=="Ready")]';
const names = async (): Promise<string[]> =>
  (await kubectl(["get", "backups", "--namespace", namespace, "-l", "holdfast.dev/schedule=soon", "-o", "name"]))
    .split("\n")
    .filter((line) => line !== "");

/** Once a minute, the first time `seconds` from now. */
function minutelyFrom(seconds: number): string {
  const second = new Date(Date.now() + seconds * 1000).getUTCSeconds();
  return `${second} * * * * *`;
}

beforeAll(async () => {
  await freshNamespace(namespace);
  await applyAll(namespace, example("objectstore.yaml", folder));
  await applyAll(namespace, [changed(cluster, "pg", { instances: 1, storage: { size: "1Gi" } })]);
});

afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));

describe("a schedule", () => {
  it("of the example waits for its Cluster's first night, a column saying when", async () => {
    await applyAll(namespace, [nightly]);
    await untilHealthy(namespace, "pg");
    await until("the schedule to be Ready", 30_000, async () => {
      const row = await kubectl(["get", "backupschedules/nightly", "--namespace", namespace, "--no-headers"]);
      return /^nightly +pg +0 2 \* \* \* Europe\/Paris +false +\d{4}-\d\d-\d\dT0[01]:\d\d:\d\dZ +True +\S+\n$/.test(
        row,
      );
    });
    expect(await names()).toEqual([]);
  });

  it("is refused when a line would not run as it was meant, with what to write", async () => {
    const every5Seconds = changed(nightly, "wrong", { schedules: [{ cron: "*/5 * * * * *" }] });
    await expect(applyAll(namespace, [every5Seconds])).rejects.toThrow(
      /spec\.schedules\[0\]\.cron.*second first.*five fields with the minute first: "\*\/5 \* \* \* \*"/s,
    );
  });

  it("makes a Backup at its time, named after it, which ends Completed", async () => {
    await applyAll(namespace, [changed(nightly, "soon", { schedules: [{ cron: minutelyFrom(10) }], jitter: "0s" })]);
    const planned = await until(
      "the next run to be told",
      10_000,
      async () => (await field("{.status.nextRun}")) || false,
    );
    const name = `soon-${planned.replaceAll(/\D/g, "")}`;
    await until(`${name} to be Completed`, 90_000, async () => {
      return (await read(namespace, `backups.holdfast.dev/${name}`, "{.status.phase}")) === "Completed";
    });
    // The next run is due by then or soon: none of it may be left when the schedule goes.
    await kubectl([
      "patch",
      "backupschedules/soon",
      "--namespace",
      namespace,
      "--type=merge",
      "-p",
      '{"spec":{"suspend":true}}',
    ]);
    await until("the schedule to tell how the run ended", 30_000, async () => {
      return (await field("{.status.lastEnded.phase}")) === "Completed";
    });
    const events = await kubectl(["events", "--namespace", namespace, "--for", "backupschedule/soon"]);
    expect(events).toContain(`BackupRequested`);
    expect(events).toContain(name);
  });

  it("is seen to be suspended, and is not green then", async () => {
    await until("Ready to be Unknown", 10_000, async () => (await field(`${ready}.status}`)) === "Unknown");
    expect(await field(`${ready}.reason}`)).toBe("Suspended");
    const row = await kubectl(["get", "backupschedules/soon", "--namespace", namespace, "--no-headers"]);
    expect(row).toMatch(/^soon +pg +\d+ \* \* \* \* \* Europe\/Paris +true +\S+ +Unknown +\S+\n$/);
  });

  it("leaves its Backups when it is deleted", async () => {
    const before = await names();
    expect(before.length).toBeGreaterThan(0);
    await kubectl(["delete", "backupschedules/soon", "--namespace", namespace, "--cascade=foreground", "--wait"]);
    expect(await names()).toEqual(before);
    const [first = ""] = before;
    expect(await read(namespace, first, "{.metadata.ownerReferences}{.metadata.deletionTimestamp}")).toBe("");
  });
});
