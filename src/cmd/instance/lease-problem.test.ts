import { expect, it } from "vitest";
import { toBackupError } from "#engine/pgbackrest/errors.ts";
import { MutexBusyError, MutexLostError } from "#kube/mutex.ts";
import { runProgram } from "#repository/pgbackrest/run-program.ts";
import { leaseProblem } from "./lease-problem.ts";

const lease = { namespace: "db", name: "holdfast-stanza-main" };

/** As a backup ends when the Lease is lost in the middle. */
async function endedBy(reason: Error): Promise<unknown> {
  const held = AbortSignal.abort(reason);
  const call = { program: "sleep", args: ["60"], env: {}, deadlineMs: 60_000, signal: held };
  return await runProgram(call).catch((error: unknown) => toBackupError(error, new AbortController().signal));
}

it("says that the Lease was lost, and by what, where pgBackRest was only ended", async () => {
  expect(leaseProblem(await endedBy(new MutexLostError(lease, {})))).toMatchObject({
    code: "ABORTED",
    message: expect.stringContaining("Lease holdfast-stanza-main could not be renewed in time") as string,
  });
  expect(leaseProblem(await endedBy(new MutexBusyError(lease, "pg-2", "expire")))).toMatchObject({
    code: "ABORTED",
    message: expect.stringContaining("pg-2 holds the Lease") as string,
  });
});

it("says who is waited for, and nothing of other failures", async () => {
  expect(leaseProblem(new MutexBusyError(lease, "pg-2", "expire"))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  expect(leaseProblem(await endedBy(new Error("the backup was cancelled")))).toBeUndefined();
});
