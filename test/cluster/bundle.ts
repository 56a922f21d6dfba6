// Bundles each program of src/cmd into dist/, as it runs in the image.
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { build } from "rolldown";
import { ClusterError } from "./errors.ts";
import { repositoryRoot } from "./paths.ts";
import type { TarEntry } from "./tar.ts";

export const distRoot = join(repositoryRoot, "dist");
const sourceRoot = join(repositoryRoot, "src", "cmd");

/** src/cmd/<name>.ts → dist/<name>.js with its source map; what several share, or load late, becomes chunks beside them. */
export const bundle = async (): Promise<void> => {
  const files = (await readdir(sourceRoot)).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
  if (files.length === 0) throw new ClusterError("Machine", "there is no program in src/cmd to bundle");
  await rm(distRoot, { recursive: true, force: true });
  await build({
    input: Object.fromEntries(files.map((file) => [file.slice(0, -".ts".length), join(sourceRoot, file)])),
    cwd: repositoryRoot,
    platform: "node",
    // Native add-ons are optional everywhere we use a package that has one.
    external: [/\.node$/, "pg-native"],
    logLevel: "warn",
    output: {
      dir: distRoot,
      format: "esm",
      sourcemap: true,
      entryFileNames: "[name].js",
      chunkFileNames: "chunk-[hash].js",
    },
  });
};

/** The bundles as they stand in the image, below app/, always in the same order. */
export const bundleEntries = async (): Promise<TarEntry[]> => {
  const names = (await readdir(distRoot)).filter((name) => /\.js(\.map)?$/.test(name)).toSorted();
  const files = await Promise.all(
    names.map(async (name): Promise<TarEntry> => {
      const file = join(distRoot, name);
      return { name: `app/${name}`, content: { file, size: (await stat(file)).size } };
    }),
  );
  return [{ name: "app/" }, { name: "app/package.json", content: { text: '{"type":"module"}\n' } }, ...files];
};

/** Version of Node that the lock file brings, and its binary for this machine. */
export const nodeBinary = async (): Promise<{ readonly version: string; readonly file: string }> => {
  const folder = join(repositoryRoot, "node_modules", `node-linux-${process.arch}`);
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string };
  return { version, file: join(folder, "bin", "node") };
};
