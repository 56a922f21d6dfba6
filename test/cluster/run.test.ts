import { describe, expect, it } from "vitest";
import { ClusterError } from "./errors.ts";
import { type Run, together, until } from "./run.ts";

const run: Run = { signal: AbortSignal.timeout(10_000), say: () => undefined };
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));

describe("together", () => {
  it("gives all results in order", async () => {
    expect(
      await together<[number, string]>(
        run,
        async () => 1,
        async () => "two",
      ),
    ).toEqual([1, "two"]);
  });

  it("throws the first failure after it has cancelled the rest", async () => {
    let cancelled = false;
    const failing = together<[never, never]>(
      run,
      async () => {
        throw new Error("broken");
      },
      async ({ signal }) => {
        try {
          return await untilAborted(signal);
        } finally {
          cancelled = true;
        }
      },
    );
    await expect(failing).rejects.toThrow("broken");
    expect(cancelled).toBe(true);
  });
});

describe("until", () => {
  const options = { signal: run.signal, timeoutMs: 50, intervalMs: 5 };

  it("asks again after a no and after an error", async () => {
    let asked = 0;
    const answer = await until(
      "third time",
      () => {
        asked += 1;
        if (asked === 1) throw new Error("not yet");
        return asked === 3 && "yes";
      },
      options,
    );
    expect(answer).toBe("yes");
  });

  it("names what it waited for, with the last error as the cause", async () => {
    const waiting = until("the moon", () => Promise.reject(new Error("too far")), options);
    await expect(waiting).rejects.toMatchObject({
      kind: "Timeout",
      message: /the moon/,
      cause: { message: "too far" },
    });
  });

  it("does not wait on when a component is dead", async () => {
    const dead = new ClusterError("Component", "etcd ended by itself");
    await expect(until("etcd", () => Promise.reject(dead), { ...options, timeoutMs: 60_000 })).rejects.toBe(dead);
  });
});
