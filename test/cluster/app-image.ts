// The product's own image: a small Debian with Node (cached), and on top the bundles of this tree. Its tag is made from
// its content, so an unchanged tree is the same image.
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleEntries, nodeBinary } from "./bundle.ts";
import { cached, cachePath, shortHash } from "./cache.ts";
import { type BuiltImage, importImages } from "./images.ts";
import { type ImageConfig, type Layer, measureLayer, writeImage, writeLayer } from "./oci-archive.ts";
import { type RootFilesystem, writeRootFilesystem } from "./root-filesystem.ts";
import type { Run } from "./run.ts";
import { imageNames, systemPath } from "./settings.ts";

/** The libraries that Debian's pgbackrest is linked with. */
const pgbackrestLibraries = [
  "libbz2-1.0",
  "libgcc-s1",
  "liblz4-1",
  "libpq5",
  "libssh2-1t64",
  "libssl3t64",
  "libxml2",
  "libzstd1",
  "zlib1g",
];

/**
 * Node's binary needs libatomic1; instances run as 26, like PostgreSQL beside them, the operator as 10001. pgbackrest comes
 * without postgresql-common, which it wants for the user postgres alone and which brings Perl. Its configuration file and
 * its folders are left out as well: no repository is where nobody named one.
 */
const root: RootFilesystem = {
  suite: "trixie",
  packages: ["ca-certificates", "libatomic1", "libstdc++6", "tzdata", ...pgbackrestLibraries],
  bare: ["pgbackrest"],
  finish: [
    'rm -r "$1"/etc/pgbackrest.conf "$1"/etc/logrotate.d/pgbackrest "$1"/var/*/pgbackrest',
    // Fails when a library is missing.
    'chroot "$1" pgbackrest version >&2',
  ],
  users: [
    { name: "postgres", id: 26, home: "/var/lib/postgresql" },
    { name: "holdfast", id: 10001, home: "/nonexistent" },
  ],
};

const config: ImageConfig = {
  User: "10001",
  WorkingDir: "/app",
  Entrypoint: ["/usr/local/bin/node"],
  Env: [`PATH=${systemPath}`, "NODE_ENV=production"],
};

interface Base extends BuiltImage {
  readonly layers: readonly Layer[];
}

/** Debian and Node, as an image of its own, so that the node keeps these layers between deployments. */
export const buildBase = async (run: Run): Promise<Base> => {
  const node = await nodeBinary();
  const place = cachePath(`image-base-node-${node.version}`, [JSON.stringify(root), JSON.stringify(config)]);
  const archive = join(place, "image.tar");
  const description = join(place, "image.json");
  const name = `${imageNames.applicationBase}:${place.split("-").at(-1)}`;
  await cached(place, run, async (folder) => {
    const debian = join(folder, "debian.tar");
    await writeRootFilesystem(root, debian, run);
    const content = { file: node.file, size: (await stat(node.file)).size };
    const nodeEntry = { name: "usr/local/bin/node", mode: 0o755, content };
    const layers = [
      await measureLayer(debian, run.signal),
      await writeLayer(join(folder, "node.tar"), [nodeEntry], run.signal),
    ];
    const digest = await writeImage(archive, { name, config, layers }, run.signal);
    await writeFile(description, JSON.stringify({ digest, layers }));
    for (const { file } of layers) await rm(file);
  });
  return { name, archive, ...(JSON.parse(await readFile(description, "utf8")) as Pick<Base, "digest" | "layers">) };
};

/** Puts the bundles that stand in dist/ onto the node as an image and gives its full name. */
export const importApplication = async (run: Run): Promise<string> => {
  const base = await buildBase(run);
  await importImages([base], run);
  const folder = await mkdtemp(join(tmpdir(), "holdfast-image-"));
  try {
    const top = await writeLayer(join(folder, "app.tar"), await bundleEntries(), run.signal);
    const name = `${imageNames.application}:${shortHash(base.digest, top.digest)}`;
    const archive = join(folder, "image.tar");
    const image = { name, config, layers: [...base.layers, top], omit: base.layers.map(({ digest }) => digest) };
    const digest = await writeImage(archive, image, run.signal);
    await importImages([{ name, archive, digest }], run);
    return name;
  } finally {
    await rm(folder, { recursive: true });
  }
};
