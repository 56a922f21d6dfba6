import { describe, expect, it, vi } from "vitest";
import { createLogger } from "#observe/logger.ts";
import { type ControllerOptions, runController, type Source } from "./controller.ts";
import type { ObjectKey } from "./object.ts";

const logger = createLogger("error");

/** A source whose keys the test enqueues. */
function aSource(known: readonly ObjectKey[] = []) {
  const subscribers = new Set<(key: ObjectKey) => void>();
  const { promise, resolve } = Promise.withResolvers<void>();
  const source: Source = {
    synced: () => promise,
    subscribe(enqueue) {
      subscribers.add(enqueue);
      known.forEach(enqueue);
      return () => subscribers.delete(enqueue);
    },
    replay: (enqueue) => known.forEach(enqueue),
  };
  const enqueue = (name: string): void => subscribers.forEach((tell) => tell({ namespace: "n", name }));
  return { source, enqueue, sync: resolve, subscribers };
}

async function whileRunning(options: Partial<ControllerOptions>, body: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const all = { name: "test", sources: [], reconcile: async () => ({}), logger, ...options };
  const running = runController(all, stop.signal);
  try {
    await body();
  } finally {
    stop.abort();
    await running;
  }
}

const until = (check: () => boolean) => vi.waitFor(() => expect(check()).toBe(true), { timeout: 5000, interval: 2 });

describe("a controller", () => {
  it("does nothing before every cache is filled", async () => {
    const [first, second] = [aSource([{ name: "a" }]), aSource()];
    const seen: string[] = [];
    const reconcile = async ({ name }: ObjectKey) => (seen.push(name), {});
    await whileRunning({ sources: [first.source, second.source], reconcile }, async () => {
      first.sync();
      first.enqueue("b");
      await new Promise(setImmediate);
      expect(seen).toEqual([]);
      second.sync();
      await until(() => seen.length === 2);
    });
    expect([first.subscribers.size, second.subscribers.size]).toEqual([0, 0]);
  });

  it("ends when it is stopped before its caches are filled", async () => {
    const { source } = aSource();
    const synced = (signal: AbortSignal) =>
      new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    await whileRunning({ sources: [{ ...source, synced }] }, async () => undefined);
  });

  it("tries again after an error, later each time, and reports each result", async () => {
    const { source, enqueue, sync } = aSource();
    const results: string[] = [];
    const observer = { reconciled: (_: string, result: string) => results.push(result), queueLength: () => undefined };
    let failures = 3;
    const reconcile = async () => {
      if (failures-- > 0) throw new Error("not yet");
      return failures === -1 ? { requeueAfterMs: 1 } : {};
    };
    await whileRunning({ sources: [source], reconcile, observer, logger: createLogger("error") }, async () => {
      sync();
      enqueue("a");
      await until(() => results.length === 5);
    });
    expect(results).toEqual(["error", "error", "error", "requeue", "success"]);
  });

  it("never reconciles one key twice at once, but different keys side by side", async () => {
    const { source, enqueue, sync } = aSource();
    const active: string[] = [];
    let most = 0;
    let finished = 0;
    const reconcile = async ({ name }: ObjectKey) => {
      expect(active).not.toContain(name);
      active.push(name);
      most = Math.max(most, active.length);
      enqueue("a");
      await new Promise((resolve) => setTimeout(resolve, 2));
      active.splice(active.indexOf(name), 1);
      finished++;
      return {};
    };
    await whileRunning({ sources: [source], reconcile, concurrency: 3 }, async () => {
      sync();
      for (const name of ["a", "b", "c", "d"]) enqueue(name);
      await until(() => finished > 10);
    });
    expect(most).toBe(3);
  });

  it("aborts a reconcile at its deadline and tries again", async () => {
    const { source, enqueue, sync } = aSource();
    const reasons: string[] = [];
    const reconcile = (_: ObjectKey, signal: AbortSignal) =>
      new Promise<object>((_, reject) =>
        signal.addEventListener("abort", () => {
          reasons.push((signal.reason as Error).name);
          reject(signal.reason as Error);
        }),
      );
    await whileRunning({ sources: [source], reconcile, deadlineMs: 20 }, async () => {
      sync();
      enqueue("a");
      await until(() => reasons.length === 2);
    });
    expect(reasons.slice(0, 2)).toEqual(["TimeoutError", "TimeoutError"]);
  });

  it("waits for the reconcile under way when it is stopped, and begins no other", async () => {
    const { source, enqueue, sync } = aSource();
    const log: string[] = [];
    const reconcile = async ({ name }: ObjectKey, signal: AbortSignal) => {
      log.push(`${name} begins`);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await new Promise(setImmediate);
      log.push(`${name} ends`);
      return {};
    };
    await whileRunning({ sources: [source], reconcile, concurrency: 1 }, async () => {
      sync();
      enqueue("a");
      enqueue("b");
      await until(() => log.length === 1);
    });
    expect(log).toEqual(["a begins", "a ends"]);
  });
});
