// What the backup and restore benchmarks share: a database of pgbench, a MinIO, barman's programs and our own side in a
// process of its own. A ratio is barman's time over ours, in alternating runs.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { openStore } from "#store/open.ts";
import { barmanPrograms } from "../cluster/barman.ts";
import { openTestCluster, type Server, type TestCluster } from "../contract/backup-cluster.ts";
import { type Minio, startMinio } from "../contract/minio.ts";
import type { BackupMeasured, BackupTask } from "./backup-worker.ts";
import { bundleWorker, nodeFlags } from "./bundle.ts";

const execute = promisify(execFile);

export const compressions = { plain: "none", gzip: "gzip" } as const;
export type Label = keyof typeof compressions;
export const labels = Object.keys(compressions) as Label[];

export interface BackupBench {
  readonly cluster: TestCluster;
  readonly primary: Server;
  readonly jobs: number;
  readonly runs: number;
  /** Runs our side, bundled as in the image, with the flags that the sidecar's Node gets. */
  ours(task: Omit<BackupTask, "config" | "jobs">): Promise<BackupMeasured>;
  /** Runs one of barman's programs for a server of the bucket; resolves to the seconds that it took. */
  barman(program: string, options: readonly string[], server: string, ...rest: readonly string[]): Promise<number>;
  /** Ids of the server's backups, oldest first. */
  backupIds(server: string): Promise<readonly string[]>;
  /** Removes everything of a server, so that the disk stays small. */
  forget(server: string): Promise<void>;
  /** Copies the WAL of the primary to a server's archive while `work` runs. */
  archiving<T>(server: string, work: () => Promise<T>): Promise<T>;
}

/** Options: --scale N (pgbench, 15 MB each; default 40), --runs N (3), --jobs N (2). */
export async function withBackupBench<T>(
  args: readonly string[],
  work: (bench: BackupBench) => Promise<T>,
): Promise<T> {
  const option = (value: string): { type: "string"; default: string } => ({ type: "string", default: value });
  const options = { scale: option("40"), runs: option("3"), jobs: option("2") };
  const { values } = parseArgs({ args: [...args], options });
  const folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const [minio, cluster] = await Promise.all([startMinio(), openTestCluster()]);
  try {
    const primary = await cluster.create("primary");
    const place = ["-h", cluster.folder, "-p", String(primary.connection.port), "-U", "postgres", "postgres"];
    await cluster.program("pgbench", ["-i", "-q", "-s", values.scale, ...place]);
    const worker = await bundleWorker("backup-worker", folder);
    return await work(
      bench({ minio, cluster, primary, worker }, { jobs: Number(values.jobs), runs: Number(values.runs) }),
    );
  } finally {
    await Promise.all([minio.stop(), cluster.end()]);
    await rm(folder, { recursive: true, force: true });
  }
}

interface Parts {
  readonly minio: Minio;
  readonly cluster: TestCluster;
  readonly primary: Server;
  readonly worker: string;
}

function bench({ minio, cluster, primary, worker }: Parts, numbers: { jobs: number; runs: number }): BackupBench {
  const config = minio.config({ prefix: "" });
  const { credentials, bucket, region } = config;
  if (credentials.kind !== "keys") throw new Error("the benchmark's store has keys");
  const { signal } = new AbortController();
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_DEFAULT_REGION: region,
    PGHOST: primary.connection.host,
    PGPORT: String(primary.connection.port),
    PGUSER: "postgres",
  };
  const withStore = async <T>(use: (store: Awaited<ReturnType<typeof openStore>>) => Promise<T>): Promise<T> => {
    const store = await openStore(config);
    return await use(store).finally(() => store.close());
  };
  const keysOf = (prefix: string): Promise<readonly string[]> =>
    withStore(async (store) => {
      const entries = await Array.fromAsync(store.list(prefix, { signal }));
      return entries.flatMap((entry) => (entry.kind === "object" ? [entry.key] : []));
    });
  return {
    cluster,
    primary,
    ...numbers,
    ours: async (task) => {
      const argument = JSON.stringify({ ...task, config, jobs: numbers.jobs } satisfies BackupTask);
      const { stdout } = await execute(process.execPath, [...nodeFlags, worker, argument]);
      return JSON.parse(stdout) as BackupMeasured;
    },
    barman: async (program, options, server, ...rest) => {
      const path = join(process.env["HOLDFAST_BARMAN"] ?? barmanPrograms(), program);
      const begin = performance.now();
      await execute(path, [...options, "--endpoint-url", minio.endpoint, `s3://${bucket}`, server, ...rest], { env });
      return (performance.now() - begin) / 1000;
    },
    backupIds: async (server) => {
      const infos = (await keysOf(`${server}/base/`)).filter((key) => key.endsWith("/backup.info"));
      return infos.map((key) => key.split("/").at(-2) ?? "");
    },
    forget: async (server) => {
      const keys = await keysOf(`${server}/`);
      await withStore((store) => store.delete(keys, { signal }));
    },
    archiving: (server, work) =>
      withStore(async (store) => {
        const stop = cluster.archiveTo(store, server);
        try {
          return await work();
        } finally {
          await stop();
        }
      }),
  };
}

/** The medians and peaks of one benchmark. */
export interface Tally {
  readonly ratios: Partial<Record<Label, number>>;
  rssPeakMB: number;
  loopBusyMaxMs: number;
}

/** Alternates the two sides and keeps the median of the ratios; tells each run on standard error. */
export async function alternate(
  bench: BackupBench,
  sides: {
    readonly theirs: (label: Label, run: number) => Promise<number>;
    readonly ours: (label: Label, run: number) => Promise<BackupMeasured>;
  },
): Promise<Tally> {
  const tally: Tally = { ratios: {}, rssPeakMB: 0, loopBusyMaxMs: 0 };
  for (const label of labels) {
    const found: number[] = [];
    for (let run = 1; run <= bench.runs; run++) {
      const theirs = await sides.theirs(label, run);
      const ours = await sides.ours(label, run);
      found.push(theirs / ours.seconds);
      tally.rssPeakMB = Math.max(tally.rssPeakMB, Math.round(ours.rssPeakMB));
      tally.loopBusyMaxMs = Math.max(tally.loopBusyMaxMs, Math.round(ours.loopBusyMaxMs));
      const megabytes = Math.round(ours.bytes / 1e6);
      process.stderr.write(
        `${label}: ${megabytes} MB: barman ${theirs.toFixed(2)} s; holdfast ${ours.seconds.toFixed(2)} s, ` +
          `${ours.cpuSeconds.toFixed(2)} CPU s, ${Math.round(ours.rssPeakMB)} MB; ratio ${(theirs / ours.seconds).toFixed(2)}\n`,
      );
    }
    const sorted = found.toSorted((a, b) => a - b);
    tally.ratios[label] = Number((sorted[Math.floor(sorted.length / 2)] ?? Number.NaN).toFixed(2));
  }
  return tally;
}
