// The cgroup below which this cluster's pods live, so that they are never taken for another kubelet's. Works on the
// unified hierarchy and on the old one with a tree a controller (cgroups(7)).
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const mountPoint = "/sys/fs/cgroup";
export const cgroupRoot = "/holdfast-cluster";

const isUnified = existsSync(join(mountPoint, "cgroup.controllers"));

/** Roots of the hierarchies; links (cpuacct → cpu) would only name one twice. */
const hierarchies = async (): Promise<string[]> => {
  if (isUnified) return [mountPoint];
  const entries = await readdir(mountPoint, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(mountPoint, entry.name));
};

/** Kubelet wants the folder to exist, on the unified hierarchy with every controller switched on above it. */
export const makeCgroupRoot = async (): Promise<void> => {
  if (isUnified) {
    const controllers = (await readFile(join(mountPoint, "cgroup.controllers"), "utf8")).trim().split(" ");
    for (const controller of controllers) {
      await writeFile(join(mountPoint, "cgroup.subtree_control"), `+${controller}`);
    }
  }
  for (const hierarchy of await hierarchies()) await mkdir(join(hierarchy, cgroupRoot), { recursive: true });
};

const removeTree = async (folder: string): Promise<void> => {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  await rmdir(folder);
};

export const existingCgroups = async (): Promise<string[]> =>
  (await hierarchies()).map((hierarchy) => join(hierarchy, cgroupRoot)).filter(existsSync);

/** Every process inside must have ended. */
export const removeCgroups = async (): Promise<void> => {
  for (const folder of await existingCgroups()) await removeTree(folder);
};
