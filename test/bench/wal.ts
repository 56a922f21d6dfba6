// WAL archiving beside barman-cloud-wal-archive: the same segments to the same MinIO, with as many uploads at once, in
// alternating runs. A ratio is barman's time over ours. Barman runs as its CNPG plugin runs it: one process for each file,
// a batch of them at once, the next batch when all have ended.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { openStore } from "#store/open.ts";
import { barmanPrograms } from "../cluster/barman.ts";
import { type Minio, startMinio } from "../contract/minio.ts";
import { bundleWorker, nodeFlags } from "./bundle.ts";
import { createPgdata, pgbenchContent, segmentNames, type Pgdata } from "./wal-data.ts";
import type { Measured, WorkerTask } from "./wal-worker.ts";

const execute = promisify(execFile);
const segmentBytes = 16 * 1024 * 1024;
const compressions = { plain: "none", gzip: "gzip", zstd: "zstd" } as const;
type Label = keyof typeof compressions;

interface Bench {
  readonly minio: Minio;
  readonly pgdata: Pgdata;
  readonly names: readonly string[];
  readonly parallel: number;
  /** Our side, bundled as it is in the image: unbundled it takes 20 MB more. */
  readonly worker: string;
}

/** Options: --segments N (32), --runs N (3), --parallel N (4). */
export async function run(options: readonly string[]): Promise<object> {
  const { segments, runs, parallel } = readOptions(options);
  const folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const minio = await startMinio();
  try {
    const pgdata = await createPgdata(join(folder, "pgdata"), { segmentBytes });
    const names = segmentNames("000000010000000000000001", segments, segmentBytes);
    for (const name of names) await pgdata.add(name, { content: pgbenchContent(name, pgdata) });
    return await compare(
      { minio, pgdata, names, parallel, worker: await bundleWorker("wal-worker", join(folder, "worker")) },
      runs,
    );
  } finally {
    await minio.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(bench: Bench, runs: number): Promise<object> {
  const ratios: Partial<Record<Label, number>> = {};
  let rssPeakMB = 0;
  for (const label of Object.keys(compressions) as Label[]) {
    const found: number[] = [];
    for (let number = 1; number <= runs; number++) {
      const theirs = await measured(bench, `barman-${label}-${number}`, (server) => runBarman(bench, label, server));
      const ours = await measured(bench, `holdfast-${label}-${number}`, (server) => runOurs(bench, label, server));
      found.push(theirs.seconds / ours.seconds);
      rssPeakMB = Math.max(rssPeakMB, ours.rssPeakMB);
      report(label, { theirs, ours, segments: bench.names.length });
    }
    ratios[label] = Number(median(found).toFixed(2));
  }
  return { ratios, rssPeakMB: Math.round(rssPeakMB) };
}

/** One run into an archive of its own, which is checked to be complete and then removed, so that the disk stays small. */
async function measured<T>({ minio, names }: Bench, server: string, work: (server: string) => Promise<T>): Promise<T> {
  const result = await work(server);
  const { signal } = new AbortController();
  const store = await openStore(minio.config({ prefix: "" }));
  const keys: string[] = [];
  for await (const entry of store.list(`${server}/`, { signal })) if (entry.kind === "object") keys.push(entry.key);
  const missing = names.filter((name) => !keys.some((key) => key.includes(`/${name}`)));
  if (missing.length > 0) throw new Error(`${server} lacks ${missing.join(", ")}`);
  await store.delete(keys, { signal });
  store.close();
  return result;
}

async function runOurs(
  { minio, pgdata, names, parallel, worker }: Bench,
  label: Label,
  server: string,
): Promise<Measured> {
  const task: WorkerTask = {
    config: minio.config({ prefix: "" }),
    server,
    compression: compressions[label],
    maxParallel: parallel,
    pgdata: pgdata.path,
    names,
  };
  const { stdout } = await execute(process.execPath, [...nodeFlags, worker, JSON.stringify(task)]);
  return JSON.parse(stdout) as Measured;
}

type BarmanMeasured = Pick<Measured, "seconds" | "cpuSeconds">;

async function runBarman(
  { minio, pgdata, names, parallel }: Bench,
  label: Label,
  server: string,
): Promise<BarmanMeasured> {
  const { bucket, credentials, region } = minio.config();
  if (credentials.kind !== "keys") throw new Error("the benchmark's store has keys");
  const program = join(process.env["HOLDFAST_BARMAN"] ?? barmanPrograms(), "barman-cloud-wal-archive");
  const options = [...(label === "plain" ? [] : [`--${label}`]), "--endpoint-url", minio.endpoint];
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_DEFAULT_REGION: region,
  };
  const archive = (name: string) =>
    execute(program, [...options, `s3://${bucket}`, server, join(pgdata.walDirectory, name)], { env });
  const begin = { time: performance.now(), cpu: childrenCpuSeconds() };
  for (let from = 0; from < names.length; from += parallel) {
    await Promise.all(names.slice(from, from + parallel).map(archive));
  }
  return { seconds: (performance.now() - begin.time) / 1000, cpuSeconds: childrenCpuSeconds() - begin.cpu };
}

/** CPU of ended child processes (proc(5): cutime and cstime, in hundredths of a second). */
function childrenCpuSeconds(): number {
  const fields = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

function report(
  label: Label,
  { theirs, ours, segments }: { theirs: BarmanMeasured; ours: Measured; segments: number },
): void {
  const line = (who: string, { seconds, cpuSeconds }: BarmanMeasured): string =>
    `${who} ${(segments / seconds).toFixed(2)} seg/s, ${(cpuSeconds / segments).toFixed(3)} CPU s/seg`;
  process.stderr.write(
    `${label}: ${line("barman", theirs)}; ${line("holdfast", ours)}, ${Math.round(ours.rssPeakMB)} MB; ` +
      `ratio ${(theirs.seconds / ours.seconds).toFixed(2)}\n`,
  );
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (
    ((sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN) +
      (sorted[Math.floor(sorted.length / 2)] ?? Number.NaN)) /
    2
  );
};

function readOptions(args: readonly string[]): { segments: number; runs: number; parallel: number } {
  const option = (value: string): { type: "string"; default: string } => ({ type: "string", default: value });
  const options = { segments: option("32"), runs: option("3"), parallel: option("4") };
  const { values } = parseArgs({ args: [...args], options });
  return { segments: Number(values.segments), runs: Number(values.runs), parallel: Number(values.parallel) };
}
