import { describe, expect, it } from "vitest";
import { createLogger } from "#observe/logger.ts";
import { createReconcile, type Loop, type PlannedAction } from "./reconciler.ts";

const logger = createLogger("error");
const { signal } = new AbortController();

/** A loop that notes what it does; actions named "fail" fail. */
function aLoop(actions: readonly string[], overrides: Partial<Loop<string, PlannedAction, string>> = {}) {
  const log: string[] = [];
  const loop: Loop<string, PlannedAction, string> = {
    observe: async (key) => key.name,
    plan: () => ({ actions: actions.map((kind) => ({ kind, why: "a test" })), status: "fine", requeueAfterMs: 7 }),
    writeStatus: async (observed, status) => void log.push(`status of ${observed}: ${status}`),
    async apply(action) {
      log.push(action.kind);
      if (action.kind === "fail") throw new Error("no");
    },
    withFailure: (status, action, error) => `${status}, but ${action.kind}: ${(error as Error).message}`,
    ...overrides,
  };
  return { log, run: () => createReconcile(loop)({ name: "x" }, signal, logger) };
}

describe("a reconcile", () => {
  it("says the status before it acts, and acts in order", async () => {
    const { log, run } = aLoop(["one", "two"]);
    expect(await run()).toEqual({ requeueAfterMs: 7 });
    expect(log).toEqual(["status of x: fine", "one", "two"]);
  });

  it("stops at the first failure, says it in the status and throws it", async () => {
    const { log, run } = aLoop(["one", "fail", "two"]);
    await expect(run()).rejects.toThrow("no");
    expect(log).toEqual(["status of x: fine", "one", "fail", "status of x: fine, but fail: no"]);
  });

  it("has nothing to do for what is gone", async () => {
    const { log, run } = aLoop(["one"], { observe: async () => undefined });
    expect(await run()).toEqual({});
    expect(log).toEqual([]);
  });
});
