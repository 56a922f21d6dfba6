// `npm run check`: types, lint, format and generated files, each reported; exits non-zero when any of them fails.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const run = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { cwd: root, stdio: "inherit" }).status === 0;

const generatedFolders = ["src/api/gen", "src/cnpgi/gen"];

const checks: readonly (readonly [string, () => boolean])[] = [
  ["types", () => run("tsc", "-p", ".")],
  ["lint", () => run("oxlint", "--deny-warnings")],
  ["format", () => run("oxfmt", "--check")],
  ["generated files", generatedIsFresh],
];

/** Makes them anew: code is compared with what is committed, the pages of docs/ with what they were, because people write them. */
function generatedIsFresh(): boolean {
  const before = pages();
  if (!run("node", "scripts/generate.ts")) return false;
  const stale = [...pages()].filter(([page, text]) => before.get(page) !== text).map(([page]) => page);
  for (const page of stale)
    process.stderr.write(`the field tables of docs/${page} were stale and are renewed: commit it\n`);
  return isClean(generatedFolders) && stale.length === 0;
}

const pages = (): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(root, "docs"))
      .filter((file) => file.endsWith(".md"))
      .map((file) => [file, readFileSync(join(root, "docs", file), "utf8")]),
  );

/** True when git sees no difference in the folders, untracked files included. */
function isClean(folders: readonly string[]): boolean {
  const status = spawnSync("git", ["status", "--porcelain", "--", ...folders], { cwd: root, encoding: "utf8" });
  if (status.status === 0 && status.stdout === "") return true;
  process.stderr.write(
    `generated files are stale: commit the result of \`npm run generate\`\n${status.stdout}${status.stderr}`,
  );
  return false;
}

const failed = checks.filter(([name, check]) => {
  const ok = check();
  console.log(`${ok ? "ok    " : "FAILED"} ${name}`);
  return !ok;
});
process.exit(failed.length === 0 ? 0 : 1);
