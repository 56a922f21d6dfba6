// Makes everything `up` needs: Debian packages, Go programs, images, the barman environment; and what only tests need
// besides. Slow once, then a glance.
import { buildBase } from "./app-image.ts";
import { buildAzurite } from "./azurite.ts";
import { buildBarman } from "./barman.ts";
import { buildTools, type Tools } from "./build-go.ts";
import { type BuiltImage, buildPostgresImages, buildToolImages } from "./images.ts";
import { alone } from "./lock.ts";
import { checkMachine, installPackages } from "./packages.ts";
import { buildPgbackrest } from "./pgbackrest.ts";
import { type Run, type RunOptions, startRun, together } from "./run.ts";

export interface Artifacts {
  readonly tools: Tools;
  readonly images: readonly BuiltImage[];
}

export interface BuildOptions extends RunOptions {
  /** Also the versions of pgbackrest, and Azurite, that tests and benchmarks run on this machine. */
  readonly forTests?: boolean;
}

/** The compiler and Debian's package manager work side by side: one waits for the network while the other computes. */
const buildAll = async (run: Run, forTests: boolean): Promise<Artifacts> => {
  await installPackages(run);
  const [tools, postgresImages] = await together<[Tools, BuiltImage[]]>(run, buildTools, async (run) => {
    const images = await buildPostgresImages(run);
    await buildBase(run);
    await buildBarman(run);
    if (forTests) {
      await buildPgbackrest(run);
      await buildAzurite(run);
    }
    return images;
  });
  return { tools, images: [...(await buildToolImages(tools, run)), ...postgresImages] };
};

/** Fills the cache and touches nothing else but Debian's packages. */
export const build = async (options: BuildOptions = {}): Promise<Artifacts> => {
  const run = startRun(options);
  checkMachine();
  return alone("cache", run, () => buildAll(run, options.forTests ?? false));
};
