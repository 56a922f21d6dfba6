import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createFixture, first, never } from "#test/bench/wal-fixture.ts";
import { segmentNames } from "#test/bench/wal-data.ts";
import { readReadyFiles } from "./ready-queue.ts";

describe("ready marks", () => {
  it("are read in archive order, without other files", async () => {
    const { root } = await createFixture();
    const [one, two] = segmentNames(first, 2, 1 << 20);
    for (const name of [`${two}.ready`, "00000002.history.ready", `${one}.ready`, `${one}.done`, "x.ready", ".ready"]) {
      await writeFile(join(root, name), "");
    }
    expect(await readReadyFiles(root, never)).toEqual({ names: ["00000002.history", one, two], count: 3 });
  });

  it("of a large backlog are counted all, and the first 1024 kept", async () => {
    const { root } = await createFixture();
    const directory = join(root, "archive_status");
    await mkdir(directory);
    const names = segmentNames(first, 4000, 16 << 20);
    // Shuffled, as a directory gives them in no order.
    const shuffled = names.toSorted((a, b) => a.slice(-2).localeCompare(b.slice(-2)));
    await Promise.all(shuffled.map((name) => writeFile(join(directory, `${name}.ready`), "")));
    expect(await readReadyFiles(directory, never)).toEqual({ names: names.slice(0, 1024), count: 4000 });
  });

  it("fail to be read from a directory that is not there", async () => {
    const { root } = await createFixture();
    await expect(readReadyFiles(join(root, "none"), never)).rejects.toThrow("ENOENT");
  });
});
