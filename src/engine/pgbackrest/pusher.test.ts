import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { createLogger } from "#observe/logger.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { createPusher } from "./pusher.ts";

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
