// Debian packages. Nothing is asked of apt when all programs are there already.
import { existsSync } from "node:fs";
import { command } from "./command.ts";
import { ClusterError } from "./errors.ts";
import { announced, type Run } from "./run.ts";

/** A package and a file that proves it (or an equivalent from elsewhere) is there. */
const packages: readonly (readonly [name: string, file: string])[] = [
  ["containerd", "/usr/bin/containerd"],
  ["runc", "/usr/sbin/runc"],
  ["containernetworking-plugins", "/usr/lib/cni/ptp"],
  ["iptables", "/usr/sbin/iptables"],
  ["iproute2", "/usr/bin/ip"],
  ["mmdebstrap", "/usr/bin/mmdebstrap"],
  ["openssl", "/usr/bin/openssl"],
  ["python3-venv", "/var/lib/dpkg/info/python3-venv.list"],
];

export const checkMachine = (): void => {
  const isRoot = process.getuid?.() === 0;
  if (process.platform !== "linux" || !isRoot || !existsSync("/usr/bin/apt-get")) {
    throw new ClusterError("Machine", "the embedded cluster needs Debian and root", {
      hint: "where Docker exists, test/kind runs the same on kind",
    });
  }
};

export const installPackages = async (run: Run): Promise<void> => {
  const missing = packages.filter(([, file]) => !existsSync(file)).map(([name]) => name);
  if (missing.length === 0) return;
  const options = { signal: run.signal, env: { DEBIAN_FRONTEND: "noninteractive" } };
  const apt = (...args: string[]): Promise<string> =>
    command("apt-get", ["-q", "-y", "-o", "DPkg::Lock::Timeout=120", ...args], options);
  const install = (): Promise<string> => apt("install", "--no-install-recommends", ...missing);
  await announced(run, `installing ${missing.join(", ")}`, async () => {
    // The lists may be there and fresh; when they are not, one update mends it.
    await install().catch(async (error: unknown) => {
      run.signal.throwIfAborted();
      await apt("update").catch((cause: unknown) => {
        throw new ClusterError("Machine", "apt-get update failed after a failed installation", {
          cause: [error, cause],
        });
      });
      await install();
    });
  });
};
