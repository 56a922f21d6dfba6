// Writes container images as OCI archives (OCI image specification, image-layout.md), which containerd imports. A layer
// that the node has already may be left out, so that a new build of the product moves a few megabytes only.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { architecture } from "./settings.ts";
import { tar, type TarEntry } from "./tar.ts";

/** An uncompressed tar on disk; "sha256:…" of its bytes is both its digest and its diff id. */
export interface Layer {
  readonly file: string;
  readonly digest: string;
  readonly size: number;
}

export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly WorkingDir?: string;
}

export interface Image {
  /** Full reference, registry and tag included. */
  readonly name: string;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
  /** Digests of layers that are in the node's store already. */
  readonly omit?: readonly string[];
}

export const measureLayer = async (file: string, signal: AbortSignal): Promise<Layer> => {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { signal });
  const { size } = await stat(file);
  return { file, size, digest: `sha256:${hash.digest("hex")}` };
};

export const writeLayer = async (file: string, entries: readonly TarEntry[], signal: AbortSignal): Promise<Layer> => {
  await pipeline(Readable.from(tar(entries)), createWriteStream(file), { signal });
  return measureLayer(file, signal);
};

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const blobName = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

const describe = (mediaType: string, text: string): Descriptor => ({
  mediaType,
  digest: `sha256:${createHash("sha256").update(text).digest("hex")}`,
  size: Buffer.byteLength(text),
});

/** Writes the archive and gives the digest of the image's manifest, by which the node knows it. */
export const writeImage = async (file: string, image: Image, signal: AbortSignal): Promise<string> => {
  const platform = { architecture, os: "linux" };
  const config = JSON.stringify({
    ...platform,
    config: image.config,
    rootfs: { type: "layers", diff_ids: image.layers.map((layer) => layer.digest) },
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: describe("application/vnd.oci.image.config.v1+json", config),
    layers: image.layers.map(({ digest, size }) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest,
      size,
    })),
  });
  const manifestDescriptor = describe("application/vnd.oci.image.manifest.v1+json", manifest);
  const index = JSON.stringify({
    schemaVersion: 2,
    manifests: [{ ...manifestDescriptor, platform, annotations: { "io.containerd.image.name": image.name } }],
  });
  const texts = [config, manifest].map((text) => ({ name: blobName(describe("", text).digest), content: { text } }));
  const layers = image.layers
    .filter(({ digest }) => !(image.omit ?? []).includes(digest))
    .map(({ digest, file, size }) => ({ name: blobName(digest), content: { file, size } }));
  const entries = [
    { name: "oci-layout", content: { text: '{"imageLayoutVersion":"1.0.0"}' } },
    { name: "index.json", content: { text: index } },
    ...texts,
    ...layers,
  ];
  await pipeline(Readable.from(tar(entries)), createWriteStream(file), { signal });
  return manifestDescriptor.digest;
};
