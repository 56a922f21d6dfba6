import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { createLogger } from "#observe/logger.ts";
import { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { aborted } from "#std/abort.ts";
import { createPusher, type Pusher } from "./pusher.ts";

const isStuck = vi.hoisted(() => ({ now: false }));
vi.mock(import("node:fs/promises"), async (original) => {
  const real = await original();
  const removeAll: typeof real.rm = async (path, options) => {
    if (isStuck.now && options?.recursive === true) throw new Error("EIO: input/output error");
    return real.rm(path, options);
  };
  return { ...real, rm: removeAll };
});

const name = "000000010000000000000001";
const never = new AbortController().signal;

it("believes nothing of a spool that could not be emptied of what another one left", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-pusher-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  onTestFinished(() => void (isStuck.now = false));
  const out = join(folder, "spool", "archive", "main", "out");
  await mkdir(out, { recursive: true });
  await writeFile(join(folder, name), "wal");
  await writeFile(join(out, `${name}.ok`), "");
  const config = { stanza: "main", repositories: [{ key: 1 }], archive: { async: true }, variables: {} };
  const pusher = createPusher({
    pgbackrest: { config } as unknown as Pgbackrest,
    pgdata: folder,
    walDirectory: folder,
    spoolDirectory: join(folder, "spool"),
    logger: createLogger("error", {}),
    signal: new AbortController().signal,
  });
  isStuck.now = true;
  await pusher.begin();
  expect(await pusher.isStored(join(folder, name), name)).toBe(false);
});

/** Two repositories of which the second hangs; what becomes of a push to the first alone is `pushed`. */
function pusherWithOneHanging(
  pushed: () => Promise<void>,
  signal: AbortSignal = never,
): { readonly pusher: Pusher; readonly most: () => number } {
  const repositories = [1, 2].map((key) => ({ key, type: "s3", path: "/p", bucket: "b" }));
  const config = { stanza: "main", repositories, archive: { async: false }, variables: {} };
  let hanging = 0;
  let most = 0;
  const run: Pgbackrest["run"] = async (_command, { only, signal: limited }) => {
    if (only === undefined) {
      most = Math.max(most, ++hanging);
      await aborted(limited);
      throw new PgbackrestError("Cancelled", "pgbackrest archive-push was cancelled");
    }
    await pushed();
    return { code: 0, stdout: "" };
  };
  const folder = join(tmpdir(), "holdfast-no-such-folder");
  const pusher = createPusher({
    pgbackrest: { config, run } as unknown as Pgbackrest,
    pgdata: folder,
    walDirectory: folder,
    spoolDirectory: join(folder, "spool"),
    logger: createLogger("error", {}),
    signal,
  });
  pusher.setFailing(2, "it hangs");
  return { pusher, most: () => most };
}

it("looks with a few processes only whether a repository is back, however much WAL is given up", async () => {
  const end = new AbortController();
  const { pusher, most } = pusherWithOneHanging(async () => undefined, end.signal);
  for (let file = 0; file < 50; file++)
    expect(await pusher.pushWherePossible("/wal", `0000000100000000000000${10 + file}`, never)).toEqual([2]);
  expect(most()).toBe(1);
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  for (let file = 0; file < 50; file++) {
    vi.advanceTimersByTime(60_000);
    await pusher.pushWherePossible("/wal", `0000000100000000000001${10 + file}`, never);
  }
  expect(most()).toBe(4);
  end.abort();
  await pusher.idle();
});

it.each([
  ["Cancelled", "the sidecar stops"],
  ["Duplicate", "other content is in the archive under this name"],
  ["Identity", "the stanza belongs to another database system"],
] as const)("gives nothing up when a push ends as %s, for %s", async (kind, why) => {
  const failing = async (): Promise<void> => Promise.reject(new PgbackrestError(kind, why));
  const end = new AbortController();
  const { pusher } = pusherWithOneHanging(failing, end.signal);
  await expect(pusher.pushWherePossible("/wal", name, never)).rejects.toMatchObject({ kind });
  end.abort();
  await pusher.idle();
});

it("gives a file up everywhere when no repository takes it in time", async () => {
  const failing = async (): Promise<void> => Promise.reject(new PgbackrestError("Timeout", "not through in time"));
  const end = new AbortController();
  const { pusher } = pusherWithOneHanging(failing, end.signal);
  expect(await pusher.pushWherePossible("/wal", name, never)).toEqual([1, 2]);
  end.abort();
  await pusher.idle();
});

it.each([64, 60])("does without a full spool (error %i), says so with the mend, and uses it again", async (code) => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-pusher-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const out = join(folder, "spool", "archive", "main", "out");
  const config = { stanza: "main", repositories: [{ key: 1 }], archive: { async: true }, variables: {} };
  const commands: string[] = [];
  let isFull = true;
  const run: Pgbackrest["run"] = async (command) => {
    commands.push(command);
    const said = `unable to write '${out}/${name}.ok': [28] No space left on device`;
    if (command === "archive-push:async" && isFull) throw new PgbackrestError("Failed", said, { code });
    if (command === "archive-push:async") await writeFile(join(out, `${name}.ok`), "");
    return { code: 0, stdout: "" };
  };
  const pusher = createPusher({
    pgbackrest: { config, run } as unknown as Pgbackrest,
    pgdata: folder,
    walDirectory: folder,
    spoolDirectory: join(folder, "spool"),
    logger: createLogger("error", {}),
    signal: never,
  });
  const wal = join(folder, name);
  await writeFile(wal, "wal");
  const push = () => pusher.push(wal, name, { names: [name], count: 2 }, never);
  await push();
  expect(commands).toEqual(["archive-push:async", "archive-push"]);
  expect(pusher.spoolProblem).toMatch(
    /^the spool .*out cannot be used: .*No space left on device; WAL is archived one file .* archive\.spool of the Stanza$/,
  );
  // Not tried with each file.
  await push();
  expect(commands.slice(2)).toEqual(["archive-push"]);
  isFull = false;
  vi.advanceTimersByTime(61_000);
  await push();
  expect(commands.slice(3)).toEqual(["archive-push:async"]);
  expect(pusher.spoolProblem).toBeUndefined();
});
