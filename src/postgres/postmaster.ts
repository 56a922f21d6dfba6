// What the postmaster says of itself in PGDATA/postmaster.pid, for those who must not wait for a connection.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export type PostmasterState = "starting" | "stopping" | "ready" | "standby";

/** The eighth line, filled up with spaces (PostgreSQL: src/include/utils/pidfile.h, LOCK_FILE_LINE_PM_STATUS). */
const stateLine = 7;
const states: readonly string[] = ["starting", "stopping", "ready", "standby"] satisfies PostmasterState[];

/** Undefined when no postmaster runs, or the file does not say it yet. */
export async function readPostmasterState(pgdata: string): Promise<PostmasterState | undefined> {
  const text = await readFile(join(pgdata, "postmaster.pid"), "latin1").catch(() => "");
  const state = text.split("\n")[stateLine]?.trim();
  return state !== undefined && states.includes(state) ? (state as PostmasterState) : undefined;
}
