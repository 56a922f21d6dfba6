import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFilesystemStore } from "#store/filesystem.ts";
import { type StoreHarness, storeSuite } from "./store.suite.ts";

storeSuite("filesystem", async (): Promise<StoreHarness> => {
  const root = await mkdtemp(join(tmpdir(), "holdfast-store-"));
  let last = root;
  return {
    openEmpty: async () => {
      last = await mkdtemp(join(root, "store-"));
      return openFilesystemStore(last);
    },
    openMissing: async () => openFilesystemStore(join(root, "missing")),
    // Whatever lies in data/ without an entry that names it.
    unfinishedUploads: async () => {
      const list = async (folder: string): Promise<string[]> => readdir(join(last, folder)).catch(() => []);
      const named = await Promise.all((await list("entries")).map((name) => readEntry(join(last, "entries", name))));
      return (await list("data")).length - named.flat().length;
    },
    stop: () => rm(root, { recursive: true, force: true }),
  };
});

async function readEntry(path: string): Promise<readonly unknown[]> {
  return JSON.parse(await readFile(path, "utf8")).pieces;
}
