// Debian root file systems as tar files, made by mmdebstrap from the mirror this machine itself uses.
import { readdir, readFile } from "node:fs/promises";
import { command } from "./command.ts";
import { ClusterError } from "./errors.ts";
import type { Run } from "./run.ts";

export interface RootFilesystem {
  readonly suite: string;
  readonly packages: readonly string[];
  readonly users: readonly { readonly name: string; readonly id: number; readonly home: string }[];
  /** Paths of packages that are not unpacked, besides documentation. */
  readonly leaveOut?: readonly string[];
  /** Shell commands run in the new root, which is "$1", before `packages` are installed. */
  readonly prepare?: readonly string[];
}

const documentation = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*"];

/** The first mirror of Debian's main archive among this machine's apt sources, in either of their two formats. */
const mirror = async (): Promise<string> => {
  const folder = "/etc/apt/sources.list.d";
  const names = (await readdir(folder).catch(() => [])).map((name) => `${folder}/${name}`);
  for (const file of ["/etc/apt/sources.list", ...names]) {
    const text = await readFile(file, "utf8").catch(() => "");
    const found = /^(?:URIs:|deb (?:\[[^\]]*\] )?)\s*(https?:\S+\/debian)\/?(?:\s|$)/m.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  throw new ClusterError("Machine", "no mirror of Debian among the sources in /etc/apt", { hint: "add one" });
};

const addUsers = (users: RootFilesystem["users"]): readonly string[] =>
  users.flatMap(({ name, id, home }) => [
    `echo '${name}:x:${id}:${id}::${home}:/bin/sh' >> "$1/etc/passwd"`,
    `echo '${name}:x:${id}:' >> "$1/etc/group"`,
  ]);

/** Writes the tar; users get their fixed ids before any package could take them. */
export const writeRootFilesystem = async (root: RootFilesystem, file: string, run: Run): Promise<void> => {
  const hooks = [...addUsers(root.users), ...(root.prepare ?? [])];
  const excluded = [...documentation, ...(root.leaveOut ?? [])];
  await command(
    "mmdebstrap",
    [
      "--quiet",
      "--variant=essential",
      `--include=${root.packages.join(",")}`,
      ...hooks.map((hook) => `--essential-hook=${hook}`),
      ...excluded.map((path) => `--dpkgopt=path-exclude=${path}`),
      // Time-zone and licence data are wanted where a package asks for them; conffiles written by hooks stay.
      "--dpkgopt=force-confold",
      '--aptopt=Acquire::Retries "3"',
      root.suite,
      file,
      await mirror(),
    ],
    { signal: run.signal },
  );
};
