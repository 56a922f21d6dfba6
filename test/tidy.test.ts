// The rules of the source tree that neither the compiler nor the linter knows: layers, pure files, names, sizes.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

/** A folder may import from itself and from the tiers before its own. */
const tiers: readonly (readonly string[])[] = [
  ["std"],
  ["observe"],
  ["api", "kube", "postgres", "codec"],
  ["store", "cnpg"],
  ["repository"],
  ["engine"],
  ["cnpgi", "controllers", "webhooks"],
  ["cmd"],
];
const tierOf = (folder: string): number => tiers.findIndex((tier) => tier.includes(folder));

const folders = ["src", "controllers", "webhooks"].filter((folder) => existsSync(join(root, folder)));
const sources = folders.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts") && !file.includes("/gen/")),
);
const productFiles = sources.filter((file) => !file.endsWith(".test.ts"));

/** "src/store/s3.ts" belongs to "store", "controllers/backup/plan.ts" to "controllers". */
const folderOf = (file: string): string => file.replace(/^src\//, "").split("/")[0]!;

/** Every module that a file imports, with `#x/` and relative paths made relative to the root. */
function importsOf(file: string): readonly { readonly module: string; readonly typeOnly: boolean }[] {
  const text = readFileSync(join(root, file), "utf8");
  const found = [
    ...text.matchAll(
      /^(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"|\bimport\("([^"]+)"\)|^import\s+"([^"]+)"/gms,
    ),
  ];
  return found.map((match) => {
    const name = match[2] ?? match[3] ?? match[4]!;
    const path = name.startsWith("#")
      ? /^#(controllers|webhooks)\//.test(name)
        ? name.slice(1)
        : `src/${name.slice(1)}`
      : name.startsWith(".")
        ? relative(root, normalize(join(root, dirname(file), name)))
        : name;
    return { module: path, typeOnly: match[1] !== undefined };
  });
}

const isOurs = (module: string): boolean => /^(src|controllers|webhooks)\//.test(module);

describe("source tree", () => {
  it("imports only from lower layers, never from a neighbour of the same tier", () => {
    const wrong = productFiles.flatMap((file) =>
      importsOf(file)
        .filter(({ module }) => isOurs(module) && folderOf(module) !== folderOf(file))
        .filter(({ module, typeOnly }) => {
          // Types of Kubernetes metadata are the one thing that the API types share with the runtime.
          if (folderOf(file) === "api" && module === "src/kube/object.ts" && typeOnly) return false;
          return tierOf(folderOf(module)) >= tierOf(folderOf(file));
        })
        .map(({ module }) => `${file} imports ${module}`),
    );
    expect(wrong).toEqual([]);
  });

  it("imports in no circle, not even types", () => {
    const imported = new Map(productFiles.map((file) => [file, importsOf(file).map(({ module }) => module)]));
    const done = new Set<string>();
    const circles: string[] = [];
    const follow = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      if (done.has(file)) return;
      done.add(file);
      for (const next of imported.get(file) ?? []) follow(next, [...path, file]);
    };
    for (const file of productFiles) follow(file, []);
    expect(circles).toEqual([]);
  });

  it("knows the layer of every folder", () => {
    expect(productFiles.filter((file) => tierOf(folderOf(file)) < 0)).toEqual([]);
  });

  it("keeps decisions pure: no I/O, clock, logger or randomness", () => {
    const pure = productFiles.filter((file) =>
      /(^|\/)(plan|status|layout|recovery-window|sidecar|plugin-config|choose-backup|settings|conditions)\.ts$|\/rules\//.test(
        file,
      ),
    );
    const impure = pure.flatMap((file) => {
      const text = readFileSync(join(root, file), "utf8").replace(/\/\/.*$|\/\*[\s\S]*?\*\//gm, "");
      const modules = importsOf(file).filter(
        ({ module, typeOnly }) => !typeOnly && /^node:(fs|net|http|child|timers)|observe\//.test(module),
      );
      const calls = /\bDate\.now\(|new Date\(\)|Math\.random|process\.env|\bfetch\(/.test(text);
      return modules.length > 0 || calls ? [file] : [];
    });
    expect(pure.length).toBeGreaterThan(5);
    expect(impure).toEqual([]);
  });

  it("loads heavy packages in one place each", () => {
    const homes: Record<string, string> = {
      "@kubernetes/client-node": "src/kube/transport-client-node.ts",
      "@aws-sdk/client-s3": "src/store/s3",
      pg: "src/postgres/connection.ts",
    };
    const strays = productFiles.flatMap((file) =>
      importsOf(file)
        .filter(({ module, typeOnly }) => !typeOnly && homes[module] !== undefined && !file.startsWith(homes[module]))
        .map(({ module }) => `${file} imports ${module}`),
    );
    expect(strays).toEqual([]);
  });

  it("names files by their idea", () => {
    const drawers = sources.filter((file) =>
      /^(utils?|helpers?|common|misc|types|index)(\.test)?\.ts$/.test(basename(file)),
    );
    expect(drawers).toEqual([]);
  });

  it("opens every file with what it is", () => {
    expect(
      sources.filter(
        (file) => !/^(#!.*\n)?\/\//.test(readFileSync(join(root, file), "utf8")) && !file.endsWith(".test.ts"),
      ),
    ).toEqual([]);
  });

  it("has no file over 400 lines", () => {
    expect(sources.filter((file) => readFileSync(join(root, file), "utf8").split("\n").length > 400)).toEqual([]);
  });

  it("switches no test off", () => {
    const tests = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => join("test", file));
    const off = [...tests, ...sources.filter((file) => file.endsWith(".test.ts"))].filter((file) =>
      /\b(it|test|describe)\.(only|skip|todo)\b|\.skipIf\(/.test(
        readFileSync(join(root, file), "utf8").replace(/\/.*\/\.test/g, ""),
      ),
    );
    expect(off.filter((file) => !file.endsWith("tidy.test.ts"))).toEqual([]);
  });
});
