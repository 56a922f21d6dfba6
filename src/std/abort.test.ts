import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { waitFor, within } from "./abort.ts";

const never = new AbortController().signal;
const reason = new Error("enough");

describe("within", () => {
  it("gives the call's result and leaves its signal alone afterwards", async () => {
    let seen: AbortSignal | undefined;
    const call = async (signal: AbortSignal): Promise<number> => {
      seen = signal;
      return 7;
    };
    vi.useFakeTimers();
    expect(await within(5, never, call)).toBe(7);
    vi.advanceTimersByTime(10);
    vi.useRealTimers();
    expect(seen?.aborted).toBe(false);
  });

  it("aborts the call with a TimeoutError when the time is over", async () => {
    const call = (signal: AbortSignal): Promise<void> => sleep(10_000, undefined, { signal });
    await expect(within(5, never, call)).rejects.toMatchObject({ cause: { name: "TimeoutError" } });
  });

  it("aborts the call with the reason of the signal it was given, even after it has returned", async () => {
    const controller = new AbortController();
    let seen: AbortSignal | undefined;
    await within(10_000, controller.signal, async (signal) => void (seen = signal));
    controller.abort(reason);
    expect(seen?.reason).toBe(reason);
  });
});

describe("waitFor", () => {
  it("gives the result of the shared work", async () => {
    expect(await waitFor(Promise.resolve(7), never)).toBe(7);
  });

  it("stops waiting when the signal aborts, though the work goes on", async () => {
    const controller = new AbortController();
    const { promise: work, resolve } = Promise.withResolvers<number>();
    const waited = waitFor(work, controller.signal);
    controller.abort(reason);
    await expect(waited).rejects.toBe(reason);
    resolve(7);
    expect(await work).toBe(7);
  });

  it("does not wait at all once the signal has aborted", async () => {
    await expect(waitFor(Promise.resolve(7), AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
