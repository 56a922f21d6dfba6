// The container images of the cluster: what is in them, building them into the cache, and bringing them onto the node.
// The product's own image is app-image.ts.
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Tools } from "./build-go.ts";
import { cached, cachePath } from "./cache.ts";
import { command } from "./command.ts";
import { type ImageConfig, measureLayer, writeImage } from "./oci-archive.ts";
import { containerdSocket } from "./paths.ts";
import { type RootFilesystem, writeRootFilesystem } from "./root-filesystem.ts";
import type { Run } from "./run.ts";
import { architecture, imageNames, systemPath } from "./settings.ts";

/** An image archive in the cache and the manifest digest the node knows it by. */
export interface BuiltImage {
  readonly name: string;
  readonly archive: string;
  readonly digest: string;
}

interface ImageRecipe {
  readonly name: string;
  readonly config: ImageConfig;
  /** Everything the layer depends on, for the cache. */
  readonly ingredients: readonly string[];
  /** Writes the only layer, a tar, to `file`; `scratch` is a folder for the way there. */
  readonly makeLayer: (file: string, scratch: string, run: Run) => Promise<void>;
}

const pauseImage = (tools: Tools): ImageRecipe => ({
  name: imageNames.pause,
  config: { Entrypoint: ["/pause"] },
  ingredients: [basename(tools.pause)],
  makeLayer: async (file, _scratch, run) => {
    await command("tar", ["-C", tools.pause, "-cf", file, "--owner=0", "--group=0", "pause"], { signal: run.signal });
  },
});

// Instance pods copy the manager out of this image; it is static, so nothing else has to be in it.
const cnpgImage = (tools: Tools): ImageRecipe => ({
  name: imageNames.cnpg,
  config: { User: "65532:65532", Entrypoint: ["/manager"] },
  ingredients: [basename(tools.cnpg)],
  makeLayer: async (file, scratch, run) => {
    await mkdir(join(scratch, "operator"));
    await copyFile(join(tools.cnpg, "manager"), join(scratch, "operator", `manager_${architecture}`));
    await symlink(`operator/manager_${architecture}`, join(scratch, "manager"));
    await command("tar", ["-C", scratch, "-cf", file, "--owner=0", "--group=0", "."], { signal: run.signal });
  },
});

interface PostgresSource extends Pick<RootFilesystem, "suite" | "formerSuite"> {
  readonly major: number;
  readonly libraries?: readonly string[];
}

/** CNPG runs PostgreSQL as user and group 26. Just-in-time compilation is left out: it is half the size and unused. */
const postgresImage = (name: string, { major, libraries = [], ...suites }: PostgresSource): ImageRecipe => {
  const root: RootFilesystem = {
    ...suites,
    packages: ["ca-certificates", `postgresql-${major}`, ...libraries],
    users: [{ name: "postgres", id: 26, home: "/var/lib/postgresql" }],
    prepare: [
      'mkdir -p "$1/etc/postgresql-common"',
      'echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"',
    ],
    leaveOut: ["/usr/lib/postgresql/*/lib/bitcode/*", "/usr/lib/postgresql/*/lib/llvmjit*", "/usr/lib/*/libLLVM*"],
  };
  const environment = [`PATH=/usr/lib/postgresql/${major}/bin:${systemPath}`, "LANG=C.UTF-8"];
  return {
    name,
    config: { User: "26", Env: environment },
    ingredients: [JSON.stringify(root)],
    makeLayer: (file, _scratch, run) => writeRootFilesystem(root, file, run),
  };
};

const buildImage = async (recipe: ImageRecipe, run: Run): Promise<BuiltImage> => {
  const shortName = recipe.name.split("/").at(-1)?.replace(":", "-");
  const place = cachePath(`image-${shortName}`, [recipe.name, JSON.stringify(recipe.config), ...recipe.ingredients]);
  await cached(place, run, async (folder) => {
    const layer = join(folder, "layer.tar");
    const scratch = join(folder, "scratch");
    await mkdir(scratch);
    await recipe.makeLayer(layer, scratch, run);
    const layers = [await measureLayer(layer, run.signal)];
    const digest = await writeImage(join(folder, "image.tar"), { ...recipe, layers }, run.signal);
    await writeFile(join(folder, "digest"), digest);
    await rm(layer);
    await rm(scratch, { recursive: true });
  });
  return {
    name: recipe.name,
    archive: join(place, "image.tar"),
    digest: await readFile(join(place, "digest"), "utf8"),
  };
};

/** CNPG's major upgrade copies the old PostgreSQL's programs into this image, and not the libraries that they need. */
const postgres17 = { suite: "trixie", major: 17, formerSuite: "bookworm", libraries: ["libicu72", "libldap-2.5-0"] };

/** PostgreSQL's images need no Go program, so they can be made while the compiler works. */
export const buildPostgresImages = async (run: Run): Promise<BuiltImage[]> => [
  await buildImage(postgresImage(imageNames.postgres15, { suite: "bookworm", major: 15 }), run),
  await buildImage(postgresImage(imageNames.postgres17, postgres17), run),
];

export const buildToolImages = async (tools: Tools, run: Run): Promise<BuiltImage[]> => [
  await buildImage(pauseImage(tools), run),
  await buildImage(cnpgImage(tools), run),
];

const ctr = (args: readonly string[], run: Run): Promise<string> =>
  command("ctr", ["--address", containerdSocket, "--namespace", "k8s.io", ...args], { signal: run.signal });

/** Image name → manifest digest of what the node's store holds. */
export const imagesOnNode = async (run: Run): Promise<ReadonlyMap<string, string>> => {
  const lines = (await ctr(["images", "list"], run)).split("\n").slice(1);
  return new Map(
    lines.flatMap((line) => {
      const [name, , digest] = line.split(/\s+/);
      return name === undefined || digest === undefined ? [] : [[name, digest] as const];
    }),
  );
};

/** Imports what the node does not hold under the same name and digest; says whether anything was. */
export const importImages = async (images: readonly BuiltImage[], run: Run): Promise<boolean> => {
  const present = await imagesOnNode(run);
  const missing = images.filter(({ name, digest }) => present.get(name) !== digest);
  for (const { archive } of missing) await ctr(["images", "import", archive], run);
  return missing.length > 0;
};
