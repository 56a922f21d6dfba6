// `npm test`: every level from nothing, cheapest first. `contract [NAME]` and `e2e [NAME]` run one level, or the files
// of it whose name holds NAME. The last line counts the tests of all levels: "123 passed, 0 failed".
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { build } from "../test/cluster/build.ts";
import { deploy } from "../test/cluster/deploy.ts";
import { down } from "../test/cluster/down.ts";
import { differences, observeMachine } from "../test/cluster/leaves-nothing.ts";
import { up } from "../test/cluster/up.ts";

type Level = "unit" | "contract" | "e2e";

const root = join(import.meta.dirname, "..");
const levels: readonly Level[] = ["unit", "contract", "e2e"];
const counted = { passed: 0, failed: 0 };
/** Said once more at the end, because a level's own report is far up by then. */
const failures: string[] = [];

async function readyCluster(): Promise<void> {
  await up({ forTests: true });
  await deploy();
}

/** What a level needs on the machine before its tests can run. */
const prepare: Record<Level, () => Promise<unknown>> = {
  unit: async () => undefined,
  contract: () => build({ forTests: true }),
  e2e: readyCluster,
};

async function vitest(level: Level, filters: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const report = join(folder, "report.json");
  const args = [
    "run",
    "--project",
    `${level}*`,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...filters,
  ];
  await once(spawn("vitest", args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] }), "exit");
  const { numPassedTests, numFailedTests, success, testResults } = JSON.parse(readFileSync(report, "utf8"));
  rmSync(folder, { recursive: true });
  counted.passed += numPassedTests;
  // A file that fails to load has no test to count: it still is a failure, and so is a level without any test.
  const unloaded = testResults.filter(
    (file: { status: string; assertionResults: unknown[] }) =>
      file.status === "failed" && file.assertionResults.length === 0,
  );
  counted.failed += numFailedTests + unloaded.length;
  for (const file of testResults) {
    const name = relative(root, file.name);
    if (unloaded.includes(file)) failures.push(`${name}: ${file.message}`);
    for (const test of file.assertionResults.filter((each: { status: string }) => each.status === "failed")) {
      failures.push(`${name}: ${test.fullName}\n${test.failureMessages.join("\n")}`);
    }
  }
  if (!success && numFailedTests + unloaded.length === 0) counted.failed++;
  if (testResults.length === 0) counted.failed++;
}

async function runLevel(level: Level, filters: readonly string[], ready = prepare[level]): Promise<void> {
  const startedMs = Date.now();
  try {
    await ready();
    await vitest(level, filters);
  } catch (error) {
    counted.failed++;
    failures.push(`${level}: ${error instanceof Error ? error.message : String(error)}`);
    console.error(error);
  }
  console.log(`${level}: ${Math.round((Date.now() - startedMs) / 1000)} s`);
}

/** Everything, on a cluster that is made for it and leaves the machine as it was. */
async function runAll(): Promise<void> {
  const check = spawnSync("node", [join(root, "scripts/check.ts")], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  count("types, lint, format and generated files are in order", check.status === 0);
  await down();
  const { signal } = new AbortController();
  const before = await observeMachine(signal);
  await runLevel("unit", []);
  // The cluster comes up beside the contract tests, which share nothing with it but what is built.
  let cluster: Promise<void> | undefined;
  await runLevel("contract", [], async () => {
    await prepare.contract();
    cluster = readyCluster();
    // Counted with the journeys.
    cluster.catch(() => undefined);
  });
  await runLevel("e2e", [], async () => cluster ?? prepare.e2e());
  await down();
  const left = differences(before, await observeMachine(signal));
  for (const line of left) console.error(line);
  count("the cluster leaves mounts, links, rules and processes as they were", left.length === 0);
}

function count(what: string, passed: boolean): void {
  console.log(`${passed ? "ok    " : "FAILED"} ${what}`);
  counted[passed ? "passed" : "failed"]++;
  if (!passed) failures.push(what);
}

const [asked, ...filters] = process.argv.slice(2);
if (asked !== undefined && !levels.includes(asked as Level)) {
  console.error(`no such level: ${asked}; there are ${levels.join(", ")}`);
  process.exit(2);
}
if (asked === undefined) await runAll();
else await runLevel(asked as Level, filters);
for (const failure of failures) console.log(`FAILED ${failure}`);
console.log(`${counted.passed} passed, ${counted.failed} failed`);
process.exit(counted.failed === 0 && counted.passed > 0 ? 0 : 1);
