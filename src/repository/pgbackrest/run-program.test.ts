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

const signal = new AbortController().signal;
const env = { PATH: process.env["PATH"] ?? "" };

async function programOf(script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-program-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "program");
  await writeFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return program;
}

it("keeps of a failure what can be read of it, however much the program says, and waits for its end", async () => {
  // Ten lines of a megabyte each without an end in between, and one that is the cause.
  const noise = "head -c 10000000 /dev/zero | tr '\\0' x >&2; echo >&2";
  const program = await programOf(`echo 'ERROR: [050]: unable to acquire lock' >&2; ${noise}; ${noise}; exit 50`);
  const failure = await runProgram({ program, args: ["expire"], env, deadlineMs: 15_000, signal }).catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ kind: "Busy", message: expect.stringContaining("unable to acquire lock") as string });
});

it("hands on the lines that follow one that is too long", { timeout: 60_000 }, async () => {
  // Longer than a string may be.
  const program = await programOf("head -c 600000000 /dev/zero; echo; echo after");
  const lines: string[] = [];
  await runProgram({ program, args: ["repo-ls"], env, deadlineMs: 55_000, signal, onLine: (line) => lines.push(line) });
  expect(lines.map((line) => line.length)).toEqual([64 * 1024, 5]);
});

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
