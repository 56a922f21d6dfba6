// The certificates of authorities as files for pgBackRest, which takes them by path only. A file is named by what is in it
// and never changed: a backup that runs goes on with its own ones when the Stanza gets others, or numbers its repositories
// anew.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RepositoryConfig } from "./config.ts";

/** Of those that are named no more: what runs may read them still. */
const formerMax = 20;

/** The path for each repository that has one, by its number. */
export async function writeAuthorities(
  repositories: readonly Pick<RepositoryConfig, "key" | "ca">[],
  folder: string,
): Promise<ReadonlyMap<number, string>> {
  await mkdir(folder, { recursive: true });
  const files = new Map<number, string>();
  for (const { key, ca } of repositories) {
    if (ca === undefined) continue;
    const name = `${createHash("sha256").update(ca).digest("hex").slice(0, 32)}.pem`;
    await place(join(folder, name), `${ca}\n`);
    files.set(key, join(folder, name));
  }
  await removeFormer(folder, new Set(files.values()));
  return files;
}

/** Complete under its name, or not there: whoever reads meanwhile reads the same content. */
async function place(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function removeFormer(folder: string, current: ReadonlySet<string>): Promise<void> {
  const others = (await readdir(folder)).map((name) => join(folder, name)).filter((path) => !current.has(path));
  const dated = await Promise.all(
    others.map(async (path) => ({
      path,
      at: await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    })),
  );
  const oldest = dated.toSorted((a, b) => b.at - a.at).slice(formerMax);
  for (const { path } of oldest) await rm(path, { force: true });
}
