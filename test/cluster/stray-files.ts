// Files that containerd, CNI and kubelet keep at places nobody can choose. Only those are removed that belong to this
// cluster; the folders go when they are empty.
import { readdir, readFile, readlink, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { cniNetworkName, containerdState } from "./node.ts";
import { stateRoot } from "./paths.ts";

const tasks = join(containerdState, "io.containerd.runtime.v2.task", "k8s.io");
const shimSockets = "/run/containerd/s";
const cniResults = "/var/lib/cni/results";
const podLogLinks = "/var/log/containers";
const kubeletSocket = "/var/lib/kubelet/device-plugins/kubelet.sock";

const folders = [
  shimSockets,
  "/run/containerd",
  cniResults,
  "/var/lib/cni",
  podLogLinks,
  "/var/lib/kubelet/device-plugins",
  "/var/lib/kubelet",
];

const names = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** Each container's folder names the socket of its shim. */
const ourShimSockets = async (): Promise<string[]> => {
  const addresses = await Promise.all(
    (await names(tasks)).map((id) => readFile(join(tasks, id, "address"), "utf8").catch(() => "")),
  );
  return addresses
    .map((address) => address.replace("unix://", ""))
    .filter((path) => path.startsWith(`${shimSockets}/`));
};

/** Results are named <network>-<sandbox>-<interface>; the loopback network is everybody's, so the sandbox must be ours. */
const ourCniResults = async (): Promise<string[]> => {
  const results = await names(cniResults);
  const sandboxes = results.flatMap((name) => new RegExp(`^${cniNetworkName}-(\\w+)-`).exec(name)?.[1] ?? []);
  return results.filter((name) => sandboxes.some((id) => name.includes(id))).map((name) => join(cniResults, name));
};

const ourPodLogLinks = async (): Promise<string[]> => {
  const links = (await names(podLogLinks)).map((name) => join(podLogLinks, name));
  const targets = await Promise.all(links.map((link) => readlink(link).catch(() => "")));
  return links.filter((_, index) => targets[index]?.startsWith(`${stateRoot}/`));
};

const removeIfEmpty = async (folder: string): Promise<void> => {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" && error.code !== "ENOTEMPTY") throw error;
  });
};

/** To be called once the processes have ended and while the state is still there to tell what is ours. */
export const removeStrayFiles = async (): Promise<void> => {
  const files = [...(await ourShimSockets()), ...(await ourCniResults()), ...(await ourPodLogLinks()), kubeletSocket];
  for (const file of files) await rm(file, { force: true });
  for (const folder of folders) await removeIfEmpty(folder);
};

/** Those of the places above that exist. */
export const strayFolders = async (): Promise<string[]> => {
  const found = await Promise.all(folders.map(async (folder) => ((await names(folder)).length > 0 ? [folder] : [])));
  return found.flat();
};
