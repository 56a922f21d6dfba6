// Bundles a benchmark's worker as the sidecar is bundled in the image: unbundled it takes 20 MB more.
import { join } from "node:path";
import { build } from "rolldown";
import { sidecarDefaults } from "#cnpg/sidecar-config.ts";

/** What the sidecar's Node is started with. */
export const nodeFlags = sidecarDefaults.command.filter((argument) => argument.startsWith("--"));

/** The path of what becomes of `name`.ts in this folder. */
export async function bundleWorker(name: string, folder: string): Promise<string> {
  await build({
    input: join(import.meta.dirname, `${name}.ts`),
    cwd: join(import.meta.dirname, "..", ".."),
    platform: "node",
    logLevel: "warn",
    output: { dir: folder, format: "esm", entryFileNames: "worker.mjs", chunkFileNames: "[hash].mjs" },
  });
  return join(folder, "worker.mjs");
}
