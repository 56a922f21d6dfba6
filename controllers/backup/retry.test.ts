import { describe, expect, it } from "vitest";
import { mayPass, waitMs } from "./retry.ts";

const rpc = (code: string): string => `rpc error: code = ${code} desc = why`;

describe("a failure", () => {
  it.each([
    rpc("Unavailable"),
    rpc("Aborted"),
    rpc("DataLoss"),
    rpc("ResourceExhausted"),
    "instance manager was restarted during backup",
    "requested plugin is not available: holdfast.dev",
  ])("may pass: %s", (error) => expect(mayPass(error)).toBe(true));

  it.each([
    rpc("FailedPrecondition"),
    rpc("InvalidArgument"),
    rpc("Internal"),
    "cannot proceed with the backup as the cluster has no plugin configured",
    "",
  ])("stays: %s", (error) => expect(mayPass(error)).toBe(false));

  it("is followed by longer and longer waits", () => {
    expect([1, 2, 3, 6, 11].map(waitMs)).toEqual([30_000, 60_000, 120_000, 600_000, 600_000]);
  });
});
