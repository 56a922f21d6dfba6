// Runs a TypeScript program of this repository in its own Node, from a fresh clone too: `node scripts/start.mjs FILE ARGS…`.
// The only plain JavaScript here, because it runs in whatever Node (20 or later) the machine has. It installs the locked
// packages when they are missing or older than package-lock.json; one of them carries the Node binary used from then on.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = join(root, "node_modules", ".bin");
const installed = join(root, "node_modules", ".package-lock.json");
const lock = join(root, "package-lock.json");

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  process.stderr.write("Installing the locked npm packages …\n");
  // Not `npm ci`: it refuses a lock file made where the registry lacks the packages of other platforms. This installs the
  // locked versions too, and leaves the lock file as it is.
  const npm = spawnSync("npm", ["install", "--no-save", "--no-fund", "--no-audit", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (npm.status !== 0) process.exit(npm.status ?? 1);
}
const node = join(bin, "node");
if (!existsSync(node)) {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  process.stderr.write(
    `No Node binary for ${process.platform}-${process.arch}; there is ${Object.keys(optionalDependencies).join(", ")}.\n`,
  );
  process.exit(1);
}
const [file, ...args] = process.argv.slice(2);
const run = spawnSync(node, [join(root, file), ...args], {
  stdio: "inherit",
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
});
process.exit(run.status ?? 1);
