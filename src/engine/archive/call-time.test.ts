import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { delay } from "#std/abort.ts";
import { withinCall } from "./call-time.ts";

const never = new AbortController().signal;
const hang = (signal: AbortSignal): Promise<void> => delay(60_000, signal);

let pgdata: string;
beforeEach(async () => {
  pgdata = await mkdtemp(join(tmpdir(), "holdfast-call-time-"));
});
afterEach(() => rm(pgdata, { recursive: true }));

const postmaster = (state: string): Promise<void> =>
  writeFile(join(pgdata, "postmaster.pid"), `25\n${pgdata}\n1795256207\n5432\n/run\n*\n 1 0\n${state}\n`);

async function msOf(call: Promise<unknown>, message: string): Promise<number> {
  const started = performance.now();
  await expect(call).rejects.toMatchObject({ name: "TimeoutError", message });
  return performance.now() - started;
}

describe("the time of an archive call", () => {
  it("ends early when PostgreSQL begins to stop during the call", async () => {
    await postmaster("ready   ");
    const call = withinCall(pgdata, { callMsMax: 20_000, stoppingMsMax: 50, lookEveryMs: 10 }, never, hang);
    const ended = msOf(call, "within 0.05 s of PostgreSQL's stop");
    await postmaster("stopping");
    expect(await ended).toBeLessThan(5_000);
  });

  it("is whole while PostgreSQL runs, and where it does not say how it is", async () => {
    const times = { callMsMax: 200, stoppingMsMax: 1, lookEveryMs: 10 };
    expect(await msOf(withinCall(pgdata, times, never, hang), "within 0.2 s")).toBeGreaterThan(150);
    await postmaster("ready   ");
    expect(await msOf(withinCall(pgdata, times, never, hang), "within 0.2 s")).toBeGreaterThan(150);
  });

  it("ends with the caller's reason, and gives what the work gives", async () => {
    const abandoned = withinCall(
      pgdata,
      { callMsMax: 20_000, stoppingMsMax: 1 },
      AbortSignal.abort(new Error("gone")),
      hang,
    );
    await expect(abandoned).rejects.toThrow("gone");
    expect(await withinCall(pgdata, { callMsMax: 20_000, stoppingMsMax: 1 }, never, async () => 7)).toBe(7);
  });
});
