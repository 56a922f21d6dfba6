import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { runProgram } from "./run-program.ts";

/** A dead one may stay in the table of processes for as long as nobody asks how it ended. */
const isAlive = async (pid: number): Promise<boolean> => {
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return / [RSD] /.test(state);
};

it("leaves no worker behind when the program itself is killed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-program-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "program");
  await writeFile(program, `#!/bin/sh\nsleep 60 >/dev/null 2>&1 &\necho $! >${folder}/worker\nkill -9 $$\n`, {
    mode: 0o755,
  });
  const signal = AbortSignal.timeout(10_000);
  const env = { PATH: process.env["PATH"] ?? "" };
  await expect(runProgram({ program, args: ["backup"], env, deadlineMs: 5_000, signal })).rejects.toMatchObject({
    kind: "Failed",
    message: "pgbackrest backup was ended by SIGKILL",
  });
  const worker = Number(await readFile(join(folder, "worker"), "utf8"));
  await expect.poll(() => isAlive(worker)).toBe(false);
});
