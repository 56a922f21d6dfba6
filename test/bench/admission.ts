// How long an admission request takes at the webhooks' own port. The server is a process of its own with the real rules and
// caches of 500 stores and 500 Clusters; requests leave at fixed moments, whether or not earlier ones are answered, and each
// is timed from the moment at which it was due: a server that stalls is not spared by a client that waits for it.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reviewPath } from "#webhooks/server.ts";
import { storeReview, clusterReview } from "./admission-fixture.ts";

const perSecond = 200;
const warmUpSeconds = 2;

interface Served {
  readonly port: number;
  readonly ca: string;
}

interface Sample {
  readonly ms: number;
  readonly ok: boolean;
}

/** Seconds, 10 when left out. */
export async function run([seconds = "10"]: readonly string[]): Promise<object> {
  const child = fork(join(import.meta.dirname, "admission-worker.ts"), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  try {
    const [served] = (await once(child, "message")) as [Served];
    const agent = new Agent({ keepAlive: true, ca: served.ca, maxSockets: 64 });
    await load(served, agent, warmUpSeconds);
    const before = await stateOf(child);
    const { samples, lateMs } = await load(served, agent, Number(seconds));
    const after = await stateOf(child);
    const failed = samples.filter(({ ok }) => !ok).length;
    agent.destroy();
    const sorted = samples.map(({ ms }) => ms).toSorted((one, other) => one - other);
    return {
      perSecond,
      requests: samples.length,
      failed,
      p50Ms: quantile(sorted, 0.5),
      p90Ms: quantile(sorted, 0.9),
      p99Ms: quantile(sorted, 0.99),
      maxMs: quantile(sorted, 1),
      /** How late the load generator itself was at worst: the machine's noise, which is within the figures above. */
      generatorLateMaxMs: round(lateMs),
      serverCpuMsPerRequest: round((after.cpuMs - before.cpuMs) / samples.length),
      serverRssMB: Math.round(after.rssBytes / 1e6),
    };
  } finally {
    child.kill();
  }
}

const round = (ms: number): number => Math.round(ms * 100) / 100;
const quantile = (sorted: readonly number[], share: number): number =>
  round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);

async function load(served: Served, agent: Agent, seconds: number): Promise<{ samples: Sample[]; lateMs: number }> {
  const total = perSecond * seconds;
  const pending: Promise<Sample>[] = [];
  let lateMs = 0;
  const begin = performance.now();
  while (pending.length < total) {
    const due = begin + (pending.length * 1_000) / perSecond;
    const now = performance.now();
    if (now < due) {
      await sleep(Math.max(1, Math.floor(due - now)));
      continue;
    }
    lateMs = Math.max(lateMs, now - due);
    pending.push(ask(served, agent, pending.length, due));
  }
  return { samples: await Promise.all(pending), lateMs };
}

/** Stores and Clusters by turns, one in four of them refused. */
function ask({ port }: Served, agent: Agent, index: number, due: number): Promise<Sample> {
  const isWrong = index % 4 === 3;
  const body = JSON.stringify(
    index % 2 === 0 ? storeReview(index % 500, isWrong) : clusterReview(index % 500, isWrong),
  );
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const { promise, resolve } = Promise.withResolvers<Sample>();
  const done = (ok: boolean): void => resolve({ ms: performance.now() - due, ok });
  const options = { host: "localhost", port, path: `${reviewPath}?timeout=5s`, method: "POST", agent, headers };
  const sent = request(options, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    response.on("end", () => done(response.statusCode === 200 && text.includes(`"allowed":${!isWrong}`)));
  });
  sent.on("error", () => done(false));
  sent.end(body);
  return promise;
}

interface State {
  readonly cpuMs: number;
  readonly rssBytes: number;
}

async function stateOf(child: ChildProcess): Promise<State> {
  child.send("state");
  const [state] = (await once(child, "message")) as [State];
  return state;
}
