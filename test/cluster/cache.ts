// Keeps what is slow to make, one folder a thing, named by what it was made from. A folder counts once it is complete.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheRoot } from "./paths.ts";
import { announced, type Run } from "./run.ts";

export const shortHash = (...ingredients: readonly (string | Buffer)[]): string => {
  const hash = createHash("sha256");
  for (const ingredient of ingredients) hash.update(ingredient).update("\0");
  return hash.digest("hex").slice(0, 12);
};

const completeMark = ".complete";

/** Where a cached thing is or will be: its name, then a short hash of its ingredients and the architecture. */
export const cachePath = (name: string, ingredients: readonly string[]): string =>
  join(cacheRoot, `${name}-${shortHash(process.arch, ...ingredients)}`);

/** Makes the thing in its final place (some things do not bear to be moved), unless an earlier run has completed it. */
export const cached = async (folder: string, run: Run, make: (folder: string) => Promise<void>): Promise<string> => {
  const mark = join(folder, completeMark);
  if (existsSync(mark)) return folder;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await announced(run, `making ${folder.slice(cacheRoot.length + 1)}`, () => make(folder));
  await writeFile(mark, "");
  return folder;
};
