// Every place outside the clone that the cluster writes to. The cache outlives `down`; the other two do not.
import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export const repositoryRoot = join(import.meta.dirname, "..", "..");
export const goRoot = join(import.meta.dirname, "go");

/** Built programs, images and the barman environment, each keyed by what it was made from. */
export const cacheRoot = process.env["HOLDFAST_CACHE"] ?? join(homedir(), ".cache", "holdfast");

export const stateRoot = "/var/lib/holdfast-cluster";
export const runRoot = "/run/holdfast-cluster";

export const statePath = (...parts: string[]): string => join(stateRoot, ...parts);

export const certificatePath = (name: string): string => statePath("pki", `${name}.crt`);
export const keyPath = (name: string): string => statePath("pki", `${name}.key`);
export const kubeconfigPath = (user: string): string => statePath("kubeconfig", `${user}.json`);
export const logPath = (process: string): string => statePath("log", `${process}.log`);

export const containerdSocket = join(runRoot, "containerd.sock");

/** Empty; named only because the default lies outside the state folder. */
export const volumePlugins = (): string => statePath("volume-plugins");

/** Links to the programs a person uses; the folder that `env` puts on the PATH. */
export const userPrograms = statePath("bin");
/** One folder a persistent volume. */
export const volumesRoot = statePath("volumes");

/** Writes a configuration file unless it has this text already: some programs watch theirs and end when it is touched. */
export const keepFile = async (file: string, text: string): Promise<void> => {
  const present = await readFile(file, "utf8").catch(() => undefined);
  if (present !== text) await writeFile(file, text, { mode: 0o600 });
};
