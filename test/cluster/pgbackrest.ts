// Debian's pgbackrest in several versions, each with the libraries and the loader of its own suite, so that all of them run
// on this machine and in any folder they are copied to. They are here to be compared with and read by, in tests and
// benchmarks; the product has its own in its image.
import { existsSync, readFileSync } from "node:fs";
import { copyFile, glob, mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cached, cachePath } from "./cache.ts";
import { command } from "./command.ts";
import { ClusterError, describeError } from "./errors.ts";
import { unpackPackages } from "./root-filesystem.ts";
import type { Run } from "./run.ts";

/** The oldest that is supported, the one of the product's image, and the newest that Debian has. */
const suites = { oldest: "bookworm", image: "trixie", newest: "sid" } as const;

type Which = keyof typeof suites;

const versionFile = "version";

/** pgbackrest starts itself again for its workers, by the name it was called by: that has to be this script. */
const wrapper = `#!/bin/sh
here=\${0%/*}
exec "$here/lib/loader" --inhibit-cache --library-path "$here/lib" --argv0 "$0" "$here/lib/pgbackrest" "$@"
`;

/** The folder that has `pgbackrest`, once it is built. */
const place = (which: Which): string => cachePath(`pgbackrest-${suites[which]}`, [wrapper]);

/** Folders of the programs; that of the newest only if the mirror had it. */
export const pgbackrestFolders = (): { readonly oldest: string; readonly image: string; readonly newest?: string } => {
  const [oldest, image, newest] = [place("oldest"), place("image"), place("newest")];
  return { oldest, image, ...(existsSync(join(newest, versionFile)) ? { newest } : {}) };
};

export interface PgbackrestProgram {
  /** Such as "2.55.1". */
  readonly version: string;
  readonly program: string;
}

/** Oldest first; without the newest where the mirror does not have it. */
export const pgbackrestPrograms = (): readonly PgbackrestProgram[] =>
  (Object.keys(suites) as Which[]).flatMap((which) => {
    const version = join(place(which), versionFile);
    if (existsSync(version)) {
      return [{ version: readFileSync(version, "utf8"), program: join(place(which), "pgbackrest") }];
    }
    if (which === "newest") return [];
    throw new ClusterError("Machine", `no pgbackrest of ${suites[which]} in the cache`, {
      hint: "npm run cluster -- build",
    });
  });

/** Takes the program and what it is linked with out of an unpacked suite. */
const extract = async (root: string, folder: string, run: Run): Promise<void> => {
  const lib = join(folder, "lib");
  await mkdir(lib);
  const [loader] = await Array.fromAsync(glob(`${root}/{usr/,}lib/*-linux-gnu/ld-linux-*.so.*`));
  if (loader === undefined) throw new ClusterError("Machine", `no loader in ${root}`);
  const paths = await Array.fromAsync(glob(`${root}/{usr/,}lib/*-linux-gnu`));
  const program = join(root, "usr", "bin", "pgbackrest");
  const list = ["--inhibit-cache", "--library-path", paths.join(":"), "--list", program];
  const libraries = [...(await command(loader, list, { signal: run.signal })).matchAll(/=> (\/\S+)/g)].map(
    ([, path]) => path!,
  );
  for (const library of libraries) await copyFile(library, join(lib, basename(library)));
  await copyFile(loader, join(lib, "loader"));
  await copyFile(program, join(lib, "pgbackrest"));
};

const buildOne = async (which: Which, run: Run): Promise<void> => {
  await cached(place(which), run, async (folder) => {
    const root = join(folder, "root");
    await unpackPackages(suites[which], ["pgbackrest"], root, run);
    await extract(root, folder, run);
    await rm(root, { recursive: true });
    const program = join(folder, "pgbackrest");
    await writeFile(program, wrapper, { mode: 0o755 });
    const answer = await command(program, ["version"], { signal: run.signal });
    await writeFile(join(folder, versionFile), answer.trim().replace("pgBackRest ", ""));
  });
};

/** The newest is left out where the mirror does not have its suite. */
export const buildPgbackrest = async (run: Run): Promise<void> => {
  await buildOne("oldest", run);
  await buildOne("image", run);
  await buildOne("newest", run).catch((error: unknown) => {
    run.signal.throwIfAborted();
    run.say(`no pgbackrest of ${suites.newest}, tests do without: ${describeError(error)}`);
  });
};
