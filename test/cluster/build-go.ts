// Builds the cluster's programs from the Go module proxy by small modules of ours (go/<module>). etcd and CoreDNS share that
// of Kubernetes, so that what they have in common is compiled once; the requirements of the others clash.
import { readFileSync, existsSync } from "node:fs";
import { copyFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { cached, cachePath } from "./cache.ts";
import { command } from "./command.ts";
import { goRoot } from "./paths.ts";
import type { Run } from "./run.ts";
import { versions } from "./settings.ts";

interface Tool {
  readonly name: string;
  readonly version: string;
  /** Folder below go/; the tool's name when left out. */
  readonly module?: string;
  /** Program's file name → Go package, as seen from the module. */
  readonly programs: Readonly<Record<string, string>>;
  readonly linkerFlags?: readonly string[];
  readonly finish?: (folder: string, run: Run) => Promise<void>;
}

export const kubernetesDaemons = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
] as const;

const moduleOf = (tool: Tool): string => join(goRoot, tool.module ?? tool.name);

const goOptions = (tool: Tool, run: Run) => ({
  signal: run.signal,
  cwd: moduleOf(tool),
  env: { CGO_ENABLED: "0" },
  hint: "building the cluster needs Go 1.24 or later on the PATH",
});

const kubernetesVersionFlags = (): readonly string[] => {
  const [major, minor] = versions.kubernetes.split(".");
  const values = { gitVersion: `v${versions.kubernetes}`, gitMajor: major, gitMinor: minor };
  return Object.entries(values).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
};

/** The release manifest travels inside CNPG's own Go module. */
const copyCnpgManifest = async (folder: string, run: Run): Promise<void> => {
  const module = "github.com/cloudnative-pg/cloudnative-pg";
  const place = await command("go", ["list", "-m", "-f", "{{.Dir}}", module], goOptions(tools.cnpg, run));
  await copyFile(join(place.trim(), "releases", `cnpg-${versions.cnpg}.yaml`), join(folder, "cnpg.yaml"));
};

const tools = {
  kubernetes: {
    name: "kubernetes",
    version: versions.kubernetes,
    programs: { kubernetes: ".", kubectl: "k8s.io/kubernetes/cmd/kubectl" },
    linkerFlags: kubernetesVersionFlags(),
    finish: async (folder) => {
      for (const daemon of kubernetesDaemons) await symlink("kubernetes", join(folder, daemon));
    },
  },
  etcd: {
    name: "etcd",
    version: versions.etcd,
    module: "kubernetes",
    programs: { etcd: "go.etcd.io/etcd/server/v3" },
  },
  coredns: { name: "coredns", version: versions.coredns, module: "kubernetes", programs: { coredns: "./coredns" } },
  cnpg: {
    name: "cnpg",
    version: versions.cnpg,
    programs: {
      manager: "github.com/cloudnative-pg/cloudnative-pg/cmd/manager",
      "kubectl-cnpg": "github.com/cloudnative-pg/cloudnative-pg/cmd/kubectl-cnpg",
    },
    finish: copyCnpgManifest,
  },
  minio: { name: "minio", version: versions.minio, programs: { minio: "github.com/minio/minio" } },
  pause: { name: "pause", version: "1", programs: { pause: "." } },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;
/** Tool → folder of its programs. */
export type Tools = Readonly<Record<ToolName, string>>;

const folderOf = (tool: Tool): string => {
  const local = Object.values(tool.programs).filter((source) => source.startsWith("."));
  const mains = local.map((source) => join(moduleOf(tool), source, "main.go"));
  const sources = [join(moduleOf(tool), "go.mod"), join(moduleOf(tool), "go.sum"), ...mains].filter(existsSync);
  return cachePath(`${tool.name}-${tool.version}`, [
    JSON.stringify([tool.programs, tool.linkerFlags ?? []]),
    ...sources.map((file) => readFileSync(file, "utf8")),
  ]);
};

export const toolFolders = (): Tools =>
  Object.fromEntries(Object.entries(tools).map(([name, tool]) => [name, folderOf(tool)])) as Tools;

const build = async (tool: Tool, folder: string, run: Run): Promise<void> => {
  const linker = ["-s", "-w", ...(tool.linkerFlags ?? [])].join(" ");
  for (const [program, source] of Object.entries(tool.programs)) {
    await command(
      "go",
      ["build", "-trimpath", "-ldflags", linker, "-o", join(folder, program), source],
      goOptions(tool, run),
    );
  }
  await tool.finish?.(folder, run);
};

/** Loads the sources of a tool's packages, so that the network works while the processors compile another tool. */
const fetchSources = async (tool: Tool, run: Run): Promise<void> => {
  await command("go", ["list", "-deps", "-f", "{{.Name}}", ...Object.values(tool.programs)], goOptions(tool, run));
};

/** Builds what is not in the cache yet, one tool after the other: each build keeps all processors busy. */
export const buildTools = async (run: Run): Promise<Tools> => {
  const folders = toolFolders();
  const missing: Tool[] = Object.values(tools).filter((tool) => !existsSync(join(folderOf(tool), ".complete")));
  const fetching = (async () => {
    for (const tool of missing.slice(1)) await fetchSources(tool, run);
  })();
  // A failed look-ahead is not an error of its own: the build that follows meets the same trouble and tells it.
  fetching.catch(() => undefined);
  for (const tool of missing) {
    await cached(folderOf(tool), run, (folder) => build(tool, folder, run));
  }
  return folders;
};
