// Runs a program to its end. For the cluster's own long-running processes see processes.ts.
import { spawn } from "node:child_process";
import { ClusterError } from "./errors.ts";

export interface CommandOptions {
  readonly signal: AbortSignal;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Text for the program's standard input. */
  readonly input?: string;
  readonly hint?: string;
}

const errorTailLength = 4000;

/** Standard output of a program that ended with status 0; otherwise a ClusterError with the end of what it said. */
export const command = async (program: string, args: readonly string[], options: CommandOptions): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const fail = (why: string, cause?: unknown): void => {
    const hint = options.hint === undefined ? {} : { hint: options.hint };
    reject(new ClusterError("Command", `${[program, ...args].join(" ").slice(0, 200)}: ${why}`, { cause, ...hint }));
  };
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    signal: options.signal,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const output: Buffer[] = [];
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-errorTailLength);
  });
  // A program may end without reading its input; its exit status tells the story.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  child.on("error", (error) => {
    if (options.signal.aborted) reject(options.signal.reason as Error);
    else fail("could not be run", error);
  });
  child.on("close", (status, signalName) => {
    const text = Buffer.concat(output).toString();
    if (status === 0) resolve(text);
    else fail(`ended with ${status ?? signalName}\n${said.trim() || text.slice(-errorTailLength).trim()}`);
  });
  return promise;
};
