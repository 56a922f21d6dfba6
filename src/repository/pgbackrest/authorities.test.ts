import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { writeAuthorities } from "./authorities.ts";

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "ca-"))));
afterEach(() => rm(folder, { recursive: true }));

it("leaves what a running command reads as it is, whatever number its repository gets", async () => {
  const before = await writeAuthorities([{ key: 1, ca: "ONE" }, { key: 2 }], folder);
  expect([...before.keys()]).toEqual([1]);
  const after = await writeAuthorities(
    [
      { key: 1, ca: "OTHER" },
      { key: 2, ca: "ONE" },
    ],
    folder,
  );
  expect(await readFile(before.get(1)!, "utf8")).toBe("ONE\n");
  expect(await readFile(after.get(1)!, "utf8")).toBe("OTHER\n");
  expect(after.get(2)).toBe(before.get(1));
});

it("is never seen half written, and does not grow without end", async () => {
  const ca = "x".repeat(200_000);
  const [file = ""] = (await writeAuthorities([{ key: 1, ca }], folder)).values();
  const lengths: number[] = [];
  const read = async (): Promise<void> => void lengths.push((await readFile(file, "utf8")).length);
  await Promise.all(Array.from({ length: 30 }, () => [writeAuthorities([{ key: 1, ca }], folder), read()]).flat());
  expect(new Set(lengths)).toEqual(new Set([200_001]));
  for (let count = 0; count < 40; count++) await writeAuthorities([{ key: 1, ca: `${count}` }], folder);
  expect(await readdir(folder)).toHaveLength(21);
});
