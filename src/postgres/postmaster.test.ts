import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readPostmasterState } from "./postmaster.ts";

let pgdata: string;
beforeEach(async () => {
  pgdata = await mkdtemp(join(tmpdir(), "holdfast-postmaster-"));
});
afterEach(() => rm(pgdata, { recursive: true }));

/** As PostgreSQL 15 writes it. */
const file = (state: string): Promise<void> =>
  writeFile(
    join(pgdata, "postmaster.pid"),
    `25\n/var/lib/postgresql/data/pgdata\n1795256207\n5432\n/controller/run\n*\n  2233445         0\n${state}\n`,
  );

describe("the state of a postmaster", () => {
  it("is the eighth line of its file", async () => {
    for (const state of ["starting", "stopping", "ready   ", "standby "]) {
      await file(state);
      expect(await readPostmasterState(pgdata)).toBe(state.trim());
    }
  });

  it("is unknown without a postmaster, in the first moments of one, and when it is a new word", async () => {
    expect(await readPostmasterState(pgdata)).toBeUndefined();
    await writeFile(join(pgdata, "postmaster.pid"), "25\n/var/lib/postgresql/data/pgdata\n1795256207\n");
    expect(await readPostmasterState(pgdata)).toBeUndefined();
    await file("sleeping");
    expect(await readPostmasterState(pgdata)).toBeUndefined();
  });
});
