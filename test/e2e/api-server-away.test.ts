// The API server cannot be reached from a database's pod: its packets to it are dropped. All else goes on, the kubelet
// included, so this is not a dead node. WAL must reach the archive all the same; only what is said of it becomes unknown.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { command } from "../cluster/command.ts";
import { network } from "../cluster/settings.ts";
import { archivingCondition, closeSegment, untilArchiving } from "./archiving.ts";
import { objectsUnder } from "./objects.ts";
import { restartsOf } from "./sidecars.ts";
import { adapt, apply, example, freshNamespace, kubectl, psql, read, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-api-server-away";
/** Every run archives to a place of its own. */
const folder = `${namespace}-${Date.now()}`;
const awayMs = 120_000;
let blocked: readonly string[] | undefined;

const packetFilter = (action: string, rule: readonly string[]): Promise<string> =>
  command("iptables", ["--wait", action, "INPUT", ...rule], { signal: AbortSignal.timeout(30_000) });

/** The Service's address is exchanged for the server's before this rule sees a packet: it stops both ways. */
async function block(pod: string): Promise<void> {
  const address = await read(namespace, `pod/${pod}`, "{.status.podIP}");
  const rule = ["--source", address, "--protocol", "tcp", "--dport", String(network.apiPort), "--jump", "DROP"];
  await packetFilter("--insert", rule);
  blocked = rule;
}

async function unblock(): Promise<void> {
  if (blocked !== undefined) await packetFilter("--delete", blocked);
  blocked = undefined;
}

beforeAll(async () => {
  await freshNamespace(namespace);
  await apply(namespace, adapt(example("objectstore.yaml"), folder));
  await apply(namespace, adapt(example("cluster.yaml"), folder).replace("instances: 2", "instances: 1"));
  await untilHealthy(namespace, "pg");
  await apply(namespace, example("backup.yaml"));
  await untilCondition("Ready", "True");
});

afterAll(async () => {
  await unblock();
  await kubectl(["delete", "namespace", namespace, "--wait=false"]);
});

async function conditionOf(type: string): Promise<readonly [status: string, reason: string]> {
  const condition = `{.status.conditions[?(@.type=="${type}")]`;
  const text = await read(namespace, "archives/minio-pg", `${condition}.status} ${condition}.reason}`);
  const [status = "", reason = ""] = text.split(" ");
  return [status, reason];
}

const untilCondition = (type: string, status: string): Promise<unknown> =>
  until(`the archive's ${type} to be ${status}`, 180_000, async () => (await conditionOf(type))[0] === status);

describe("a pod that cannot reach the API server", () => {
  it("archives on for two minutes and more; what is said of it becomes unknown, and true again by itself", async () => {
    const pods = await restartsOf(namespace, "pg");
    await untilArchiving(namespace, "pg");
    const count = "SELECT archived_count || ' ' || failed_count FROM pg_stat_archiver";
    const [archivedBefore, failedBefore] = (await psql(namespace, "pg-1", count)).split(" ").map(Number);
    const segments: string[] = [];
    await block("pg-1");
    const since = Date.now();
    let closedAt = 0;
    const seen = await until("the archive to say that nothing is reported", 240_000, async () => {
      if (Date.now() - closedAt > 10_000) {
        segments.push(await closeSegment(namespace, "pg"));
        closedAt = Date.now();
      }
      const [status, reason] = await conditionOf("Archiving");
      return Date.now() - since > awayMs && status !== "True" && `${status} ${reason}`;
    });
    console.log(`${seen} after ${(Date.now() - since) / 1000} s, ${segments.length} segments meanwhile`);
    expect(seen).toBe("Unknown NoReport");
    expect((await conditionOf("Ready"))[0]).toBe("Unknown");

    const stored = await until("all segments to be in the store", 30_000, async () => {
      const keys = [...(await objectsUnder(folder, "pg/wals/")).keys()].join(" ");
      return segments.every((name) => keys.includes(name)) && keys;
    });
    expect(stored).toContain(segments.at(-1));
    const [archived, failed] = (await psql(namespace, "pg-1", count)).split(" ").map(Number);
    expect(archived! - archivedBefore!).toBeGreaterThanOrEqual(segments.length);
    expect(failed).toBe(failedBefore);

    await unblock();
    const freed = Date.now();
    await untilCondition("Archiving", "True");
    await untilCondition("Ready", "True");
    console.log(`true again ${(Date.now() - freed) / 1000} s after the way is free`);
    expect((await archivingCondition(namespace, "pg")).status).toBe("True");
    await untilHealthy(namespace, "pg");
    expect(await restartsOf(namespace, "pg")).toBe(pods);
  });
});
