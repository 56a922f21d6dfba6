import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeImage, writeLayer } from "./oci-archive.ts";

const signal = AbortSignal.timeout(10_000);
const unpack = (archive: string, member: string): string =>
  execFileSync("tar", ["-xOf", archive, member], { encoding: "utf8" });

describe("image archive", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "oci-archive-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const twoLayers = async () => {
    const program = join(folder, "program");
    await writeFile(program, "x".repeat(1000));
    const base = await writeLayer(
      join(folder, "base.tar"),
      [{ name: "etc/" }, { name: "etc/x", content: { text: "y" } }],
      signal,
    );
    const entry = { name: "bin/program", mode: 0o755, content: { file: program, size: 1000 } };
    return { base, top: await writeLayer(join(folder, "top.tar"), [entry], signal) };
  };

  it("holds layers that tar reads, with their modes", async () => {
    const { top } = await twoLayers();
    const listing = execFileSync("tar", ["-tvf", top.file], { encoding: "utf8" });
    expect(listing).toMatch(/^-rwxr-xr-x 0\/0 +1000 1970-01-01 00:00 bin\/program\n$/);
    expect(unpack(top.file, "bin/program")).toBe("x".repeat(1000));
  });

  it("leads from the index to the layers, and leaves out those that are omitted", async () => {
    const { base, top } = await twoLayers();
    const file = join(folder, "image.tar");
    const config = { User: "10001" };
    const image = { name: "docker.io/a/b:1", config, layers: [base, top], omit: [base.digest] };
    const digest = await writeImage(file, image, signal);
    const index = JSON.parse(unpack(file, "index.json"));
    expect(index.manifests[0]).toMatchObject({
      digest,
      annotations: { "io.containerd.image.name": "docker.io/a/b:1" },
    });
    const blob = (name: string): string => `blobs/${name.replace(":", "/")}`;
    const manifest = JSON.parse(unpack(file, blob(digest)));
    expect(manifest.layers.map((layer: { digest: string }) => layer.digest)).toEqual([base.digest, top.digest]);
    expect(JSON.parse(unpack(file, blob(manifest.config.digest))).config).toEqual(config);
    const members = execFileSync("tar", ["-tf", file], { encoding: "utf8" }).split("\n");
    expect(members).toContain(blob(top.digest));
    expect(members).not.toContain(blob(base.digest));
  });

  it("has the same bytes for the same content", async () => {
    const [first, second] = [await twoLayers(), await twoLayers()];
    expect(second.top.digest).toBe(first.top.digest);
    expect(await readFile(first.top.file)).toEqual(await readFile(second.top.file));
  });
});
