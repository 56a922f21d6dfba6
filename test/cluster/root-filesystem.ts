// Debian root file systems as tar files, made by mmdebstrap from the mirror this machine itself uses.
import { readdir, readFile } from "node:fs/promises";
import { command } from "./command.ts";
import { ClusterError } from "./errors.ts";
import type { Run } from "./run.ts";

export interface RootFilesystem {
  readonly suite: string;
  readonly packages: readonly string[];
  /** Another suite, for packages that this one has no more. */
  readonly formerSuite?: string;
  readonly users: readonly { readonly name: string; readonly id: number; readonly home: string }[];
  /** Paths of packages that are not unpacked, besides documentation. */
  readonly leaveOut?: readonly string[];
  /** Shell commands run in the new root, which is "$1", before `packages` are installed. */
  readonly prepare?: readonly string[];
  /** Packages installed after the others without what they depend on: `packages` names what they really need. */
  readonly bare?: readonly string[];
  /** Shell commands run in the new root, which is "$1", at the end. */
  readonly finish?: readonly string[];
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

const retries = '--aptopt=Acquire::Retries "3"';

const addUsers = (users: RootFilesystem["users"]): readonly string[] =>
  users.flatMap(({ name, id, home }) => [
    `echo '${name}:x:${id}:${id}::${home}:/bin/sh' >> "$1/etc/passwd"`,
    `echo '${name}:x:${id}:' >> "$1/etc/group"`,
  ]);

/** apt fetches and checks a package, dpkg installs it over the unmet dependencies and runs its scripts in the new root. */
const installBare = (name: string): string =>
  [
    'mkdir "$1/bare"',
    `(cd "$1/bare" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -q -o APT::Sandbox::User=root download ${name})`,
    `chroot "$1" sh -c 'dpkg --force-depends --install /bare/*.deb' 2>&1`,
    'rm -r "$1/bare"',
  ].join(" && ");

/** Puts the files of packages, and of all that they depend on, into a folder; nothing is set up or runs there. */
export const unpackPackages = async (
  suite: string,
  packages: readonly string[],
  folder: string,
  run: Run,
): Promise<void> => {
  const options = ["--quiet", "--variant=extract", `--include=${packages.join(",")}`, retries];
  // A mirror may lag behind the unstable suite for longer than its lists are good for; their signature is checked all the same.
  const stale = '--aptopt=Acquire::Check-Valid-Until "false"';
  const args = [...options, stale, "--format=directory", suite, folder, await mirror()];
  await command("mmdebstrap", args, { signal: run.signal });
};

/** Writes the tar; users get their fixed ids before any package could take them. */
export const writeRootFilesystem = async (root: RootFilesystem, file: string, run: Run): Promise<void> => {
  const hooks = [...addUsers(root.users), ...(root.prepare ?? [])];
  const last = [...(root.bare ?? []).map(installBare), ...(root.finish ?? [])];
  const excluded = [...documentation, ...(root.leaveOut ?? [])];
  const from = await mirror();
  const former = root.formerSuite === undefined ? [] : [`deb ${from} ${root.formerSuite} main`];
  await command(
    "mmdebstrap",
    [
      "--quiet",
      "--variant=essential",
      `--include=${root.packages.join(",")}`,
      ...hooks.map((hook) => `--essential-hook=${hook}`),
      ...last.map((hook) => `--customize-hook=${hook}`),
      ...excluded.map((path) => `--dpkgopt=path-exclude=${path}`),
      // Time-zone and licence data are wanted where a package asks for them; conffiles written by hooks stay.
      "--dpkgopt=force-confold",
      retries,
      root.suite,
      file,
      from,
      ...former,
    ],
    { signal: run.signal },
  );
};
