import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readInfo } from "#repository/pgbackrest/info.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { createProcessBound } from "./process-bound.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const signal = new AbortController().signal;
const call = { deadlineMs: 1_000, signal };

/** Its commands end when told to. */
function stanzas() {
  const running: { readonly command: string; readonly end: () => void }[] = [];
  const pgbackrest = {
    config: { stanza: "pg", repositories: [{ key: 1 }] },
    run: (command: string) => {
      const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string }>();
      running.push({ command, end: () => resolve({ code: 0, stdout: "" }) });
      return promise;
    },
  } as unknown as Pgbackrest;
  return { running, bounded: createProcessBound()(pgbackrest) };
}
const turns = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe("the operator's processes", () => {
  it("are bounded, and go on in turn", async () => {
    const { running, bounded } = stanzas();
    const all = Array.from({ length: 7 }, () => bounded.run("info", call));
    await turns();
    expect(running).toHaveLength(6);
    running[0]!.end();
    await turns();
    expect(running).toHaveLength(7);
    for (const { end } of running) end();
    await Promise.all(all);
  });

  it("look on while removals take their hour", async () => {
    const { running, bounded } = stanzas();
    for (let count = 0; count < 10; count++) bounded.run("expire", call).catch(() => undefined);
    void bounded.run("info", call);
    await turns();
    expect(running.map(({ command }) => command)).toEqual(["expire", "expire", "expire", "info"]);
  });

  it("wait for their turn no longer than a while, and take that for no word about the repository", async () => {
    const { bounded } = stanzas();
    for (let count = 0; count < 6; count++) void bounded.run("info", call);
    const late = readInfo(bounded, call);
    await vi.advanceTimersByTimeAsync(20_000);
    expect((await late).repositories).toEqual([
      {
        key: 1,
        state: "Unknown",
        status: { message: "pgbackrest info had no turn: 6 others of the operator ran for 20 s" },
      },
    ]);
  });
});
