// Makes everything `up` needs: Debian packages, Go programs, images, the barman environment. Slow once, then a glance.
import { buildBase } from "./app-image.ts";
import { buildBarman } from "./barman.ts";
import { buildTools, type Tools } from "./build-go.ts";
import { type BuiltImage, buildPostgresImages, buildToolImages } from "./images.ts";
import { alone } from "./lock.ts";
import { checkMachine, installPackages } from "./packages.ts";
import { type Run, type RunOptions, startRun, together } from "./run.ts";

export interface Artifacts {
  readonly tools: Tools;
  readonly images: readonly BuiltImage[];
}

/** The compiler and Debian's package manager work side by side: one waits for the network while the other computes. */
const buildAll = async (run: Run): Promise<Artifacts> => {
  await installPackages(run);
  const [tools, postgresImages] = await together<[Tools, BuiltImage[]]>(run, buildTools, async (run) => {
    const images = await buildPostgresImages(run);
    await buildBase(run);
    await buildBarman(run);
    return images;
  });
  return { tools, images: [...(await buildToolImages(tools, run)), ...postgresImages] };
};

/** Fills the cache and touches nothing else but Debian's packages. */
export const build = async (options: RunOptions = {}): Promise<Artifacts> => {
  const run = startRun(options);
  checkMachine();
  return alone("cache", run, () => buildAll(run));
};
