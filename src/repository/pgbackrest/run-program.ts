// Runs one command of pgBackRest: a clean environment, a deadline, bounded output, and an end for the whole process group
// whatever happens. It runs in a group of its own, because its workers are processes too.
import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PgbackrestError, pgbackrestError } from "./errors.ts";
import { createLineReader, isWithin, type LogLine, type PgbackrestLogLevel } from "./log-lines.ts";
import { readLines } from "./read-lines.ts";

export interface ProgramCall {
  /** The program's path, or its name in PATH. */
  readonly program: string;
  /** First the command: "backup", or a worker's role such as "archive-push:async". */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** Exit codes that are answers, beside 0. */
  readonly answers?: readonly number[];
  /** Each line of the standard output as it comes; it is then not collected. */
  readonly onLine?: (line: string) => void;
  /** Where more than errors comes on the standard error: which lines of it still count as the error, and what takes others. */
  readonly logged?: { readonly counting: PgbackrestLogLevel; readonly onLine: (line: LogLine) => void };
  /** For the standard input, which is empty when absent. */
  readonly input?: string;
  /** Takes the bytes of the standard output, for what is no text. When it fails, the program is ended. */
  readonly output?: Writable;
}

export interface ProgramResult {
  readonly code: number;
  /** Empty with `onLine` and `output`. */
  readonly stdout: string;
}

/** pgBackRest answers SIGTERM within moments, unless it waits for a silent connection. */
const killAfterMs = 5_000;
/** `info` of a thousand backups is about 1 MB. */
const stdoutMax = 64 * 1024 * 1024;
/** What is kept of what it says of its failure: of one in all repositories there are some lines each. */
const errorLinesMax = 50;
const errorCharactersMax = 64 * 1024;

/** Throws PgbackrestError for every other code, for the deadline and for an abort. */
export async function runProgram(call: ProgramCall): Promise<ProgramResult> {
  const { program, args, env, signal, deadlineMs, answers = [] } = call;
  const [command = ""] = args;
  if (signal.aborted) throw cancelled(command, signal.reason);
  const child = spawn(program, args, { env, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  // A program that ends without reading it says why by itself.
  child.stdin.on("error", () => undefined).end(call.input);
  const ending = new AbortController();
  let ended: PgbackrestError | undefined;
  const end = (why: PgbackrestError): void => {
    ended ??= why;
    signalGroup(child.pid, "SIGTERM");
    const kill = setTimeout(() => signalGroup(child.pid, "SIGKILL"), killAfterMs);
    ending.signal.addEventListener("abort", () => clearTimeout(kill), { once: true });
  };
  const onAbort = (): void => end(cancelled(command, signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(
    () => end(new PgbackrestError("Timeout", `pgbackrest ${command} was not through within ${deadlineMs / 1000} s`)),
    deadlineMs,
  );
  const said: string[] = [];
  let room = errorCharactersMax;
  const read = createLineReader();
  const collect = (line: string): void => {
    const { logged } = call;
    const told = read(line);
    logged?.onLine(told);
    // Without it, the standard error has only what was asked for as an error.
    const isCounting = logged === undefined || isWithin(told.level, logged.counting);
    if (!isCounting || said.length >= errorLinesMax || room <= 0) return;
    const kept = messageOf(line).slice(0, room);
    room -= kept.length;
    said.push(kept);
  };
  try {
    const [stdout, , code] = await Promise.all([
      readOutput(child.stdout, call),
      readLines(child.stderr, collect),
      exitOf(child, command),
    ]);
    if (ended !== undefined) throw ended;
    if (code === 0 || answers.includes(code)) return { code, stdout };
    throw pgbackrestError(command, code, said);
  } finally {
    // Also when the process itself was killed, for want of memory: its workers would go on without it.
    if (child.exitCode === null) signalGroup(child.pid, "SIGKILL");
    clearTimeout(timer);
    ending.abort();
    signal.removeEventListener("abort", onAbort);
  }
}

const cancelled = (command: string, cause: unknown): PgbackrestError =>
  new PgbackrestError("Cancelled", `pgbackrest ${command} was cancelled`, { cause });

function signalGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function exitOf(child: ReturnType<typeof spawn>, command: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", (cause) => {
    reject(new PgbackrestError("Failed", `pgbackrest ${command} cannot be started: ${cause.message}`, { cause }));
  });
  child.once("exit", (code, killedBy) => {
    if (code !== null) resolve(code);
    else reject(new PgbackrestError("Failed", `pgbackrest ${command} was ended by ${killedBy}`));
  });
  return promise;
}

async function readOutput(stdout: Readable, { onLine, output }: ProgramCall): Promise<string> {
  if (onLine === undefined && output === undefined) return await readAll(stdout);
  if (onLine !== undefined) await readLines(stdout, onLine);
  else if (output !== undefined) await pipeline(stdout, output);
  return "";
}

async function readAll(stream: Readable | null): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream ?? []) {
    bytes += (part as Buffer).length;
    if (bytes <= stdoutMax) parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Without the process number and the level: "P00  ERROR: [103]: unable to find a valid repository" */
const messageOf = (line: string): string => line.replace(/^(P\d+\s+)?(ERROR|WARN): /, "");
