import { describe, expect, it } from "vitest";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { KubeClient } from "#kube/client.ts";
import type { KubeObject } from "#kube/object.ts";
import { createLogger } from "#observe/logger.ts";
import { aborted } from "#std/abort.ts";
import { runReporter, type Wishes } from "./reporter.ts";

/** Holds one report, whose watch never says anything: as over a connection that died. */
function silentClient(report: () => InstanceReport): KubeClient {
  const get = async (): Promise<KubeObject> => report();
  // oxlint-disable-next-line require-yield
  const watch = async function* (_resource: unknown, { signal }: { signal: AbortSignal }): AsyncGenerator<never> {
    await aborted(signal);
    signal.throwIfAborted();
  };
  const apply = async (_resource: unknown, object: KubeObject): Promise<KubeObject> => object;
  return { get, watch, apply } as unknown as KubeClient;
}

describe("wishes of the operator", () => {
  it("are heard though the watch died without a word", async () => {
    let spec: Wishes = {};
    const heard: Wishes[] = [];
    const stop = new AbortController();
    const reporting = runReporter(
      {
        client: silentClient(() => ({ metadata: { name: "pg", namespace: "db" }, spec })),
        namespace: "db",
        cluster: "pg",
        pod: "pg-1",
        describe: async () => ({}),
        onWishes: async (wishes) => void heard.push(wishes),
        watchMsMax: 50,
        logger: createLogger("error", {}),
      },
      stop.signal,
    );
    await expect.poll(() => heard, { timeout: 10_000 }).toEqual([{}]);
    spec = { switchWalAfter: "0/3000028" };
    await expect.poll(() => heard, { timeout: 10_000 }).toEqual([{}, { switchWalAfter: "0/3000028" }]);
    stop.abort();
    await reporting;
  });
});
