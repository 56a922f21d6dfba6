// How fast a backlog of WAL drains in the cluster, beside a Cluster without any plugin, whose archive_command does nothing
// but start CNPG's program: that is the ceiling. A backlog is made by stopping PostgreSQL's archiver process while WAL is
// written. A ratio is our segments per second over those of the ceiling, so 1 is the best there can be.
import { readdir, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { deploy } from "../cluster/deploy.ts";
import { up } from "../cluster/up.ts";
import { adapt, apply, example, freshNamespace, kubectl, primaryOf, psql, until, untilHealthy } from "../e2e/steps.ts";
import { sidecarMemory } from "../e2e/sidecars.ts";

const namespace = "bench-drain";
const algorithms = ["plain", "gzip", "zstd"] as const;
type Algorithm = (typeof algorithms)[number];

/** Options: --segments N (32), --runs N (3). */
export async function run(options: readonly string[]): Promise<object> {
  const { values } = parseArgs({
    args: [...options],
    options: { segments: { type: "string" }, runs: { type: "string" } },
  });
  const [segments, runs] = [Number(values.segments ?? 32), Number(values.runs ?? 3)];
  await up();
  await deploy();
  await freshNamespace(namespace);
  await apply(namespace, stores());
  await Promise.all([apply(namespace, cluster("ceiling", undefined)), apply(namespace, cluster("ours", "plain"))]);
  await Promise.all([untilHealthy(namespace, "ceiling"), untilHealthy(namespace, "ours")]);

  const rates: Record<Algorithm | "ceiling", number[]> = { ceiling: [], plain: [], gzip: [], zstd: [] };
  let rssPeakMB = 0;
  for (let number = 1; number <= runs; number++) {
    rates.ceiling.push(await drain("ceiling", segments));
    for (const algorithm of algorithms) {
      await apply(namespace, cluster("ours", algorithm));
      rates[algorithm].push(await drain("ours", segments));
      rssPeakMB = Math.max(rssPeakMB, (await sidecarMemory(namespace, await primaryOf(namespace, "ours"))) / 2 ** 20);
    }
    process.stderr.write(
      `run ${number}, segments/s: ${JSON.stringify(rates, (_, value) => (typeof value === "number" ? Number(value.toFixed(1)) : value))}\n`,
    );
  }
  await kubectl(["delete", "namespace", namespace, "--wait=false"]);
  const perSecond = Object.fromEntries(
    Object.entries(rates).map(([name, found]) => [name, Number(median(found).toFixed(1))]),
  );
  const ratioOf = (algorithm: Algorithm) =>
    Number(median(rates[algorithm].map((rate, index) => rate / (rates.ceiling[index] ?? NaN))).toFixed(2));
  return {
    ratios: Object.fromEntries(algorithms.map((name) => [name, ratioOf(name)])),
    segmentsPerSecond: perSecond,
    rssPeakMB: Math.round(rssPeakMB),
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/** The example's store once for each algorithm; a change of the Cluster's parameter takes effect with the next segment. */
function stores(): string {
  const store = adapt(example("objectstore.yaml"), `${namespace}-${Date.now()}`);
  const [secret = "", object = ""] = store.split("---");
  const named = (algorithm: Algorithm): string => {
    const wal = algorithm === "plain" ? "{maxParallel: 4}" : `{compression: ${algorithm}, maxParallel: 4}`;
    return object
      .replace("\n  name: minio", `\n  name: ${algorithm}`)
      .replace(/destinationPath: (.*)/, `destinationPath: $1${algorithm}/`)
      .replace(/wal: .*/, `wal: ${wal}`);
  };
  return [secret, ...algorithms.map(named)].join("---");
}

function cluster(name: string, store: Algorithm | undefined): string {
  const manifest = adapt(example("cluster.yaml"), namespace)
    .replace("name: pg", `name: ${name}`)
    .replace("instances: 2", "instances: 1");
  if (store === undefined) return manifest.replace(/ {2}plugins:[\s\S]*/, "");
  return manifest.replace("{objectStore: minio}", `{objectStore: ${store}}`);
}

/** Segments archived in a second, from the moment the archiver goes on until nothing is left. */
async function drain(name: string, segments: number): Promise<number> {
  const pod = await primaryOf(namespace, name);
  await psql(namespace, pod, "SELECT pg_switch_wal()");
  await kubectl(psqlCommand(pod, untilNoneReady), { signal: AbortSignal.timeout(120_000) });
  const archiver = await archiverOf(name);
  process.kill(archiver, "SIGSTOP");
  try {
    await kubectl(psqlCommand(pod, writeWal(segments)), { signal: AbortSignal.timeout(300_000) });
  } finally {
    process.kill(archiver, "SIGCONT");
  }
  const begun = performance.now();
  const backlog = Number(
    await psql(namespace, pod, "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"),
  );
  await kubectl(psqlCommand(pod, untilNoneReady), { signal: AbortSignal.timeout(300_000) });
  return Math.max(backlog, segments) / ((performance.now() - begun) / 1000);
}

const psqlCommand = (pod: string, sql: string): string[] => [
  ...`exec --namespace ${namespace} ${pod} -c postgres -- psql -qAtX -d app -c`.split(" "),
  sql,
];

const untilNoneReady = `DO $$ BEGIN
  WHILE EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') LOOP PERFORM pg_sleep(0.05); END LOOP;
END $$`;

/** Text of hexadecimal digits compresses to about half, as pages of a busy database do. */
const writeWal = (segments: number): string =>
  `SELECT count(pg_logical_emit_message(false, 'bench', content)) FROM generate_series(1, ${segments * 16}) n,
   LATERAL (SELECT string_agg(md5((n * 40000 + i)::text), '') AS content FROM generate_series(1, 32768) i) filler;
   SELECT pg_switch_wal()`;

/** Containers' processes are this machine's; PostgreSQL writes the Cluster's name into their titles. */
async function archiverOf(name: string): Promise<number> {
  return until(`the archiver of ${name}`, 10_000, async () => {
    for (const pid of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
      const title = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
      if (title.startsWith(`postgres: ${name}: archiver`)) return Number(pid);
    }
    return undefined;
  });
}
