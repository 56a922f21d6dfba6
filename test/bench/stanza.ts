// The sidecar's engine of a Stanza beside pgBackRest by hand, with the same options: a backlog of WAL drained by asynchronous
// archiving, a full backup until its WAL is archived, and its restore. A ratio is the time by hand over ours.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import type { ByHand, TestStanza } from "../contract/pgbackrest-fixture.ts";
import { cpuTimes } from "./cpu.ts";
import { withStanzaBench, type StanzaBench } from "./stanza-fixture.ts";
import type { StanzaMeasured } from "./stanza-worker.ts";

const execute = promisify(execFile);
const kinds = ["archive", "backup", "restore"] as const;
type Kind = (typeof kinds)[number];
const backupOptions = ["--type=full", "--no-archive-check", "--no-expire-auto"];

interface Taken {
  readonly seconds: number;
  /** Of pgBackRest; not of what a command leaves working in the background. */
  readonly cpuSeconds: number;
}

/** One way of doing each; `run` is another number each time. */
interface Side {
  readonly byHand: (run: number) => Promise<Taken>;
  readonly ours: (run: number) => Promise<StanzaMeasured>;
}

/** Options: --segments N (64), --scale N (100), --runs N (7), --only archive|backup|restore. */
export async function run(args: readonly string[]): Promise<object> {
  const option = (value: string): { type: "string"; default: string } => ({ type: "string", default: value });
  const options = {
    segments: option("64"),
    scale: option("100"),
    runs: option("7"),
    only: { type: "string" },
  } as const;
  const { values } = parseArgs({ args: [...args], options });
  const numbers = { segments: Number(values.segments), scale: Number(values.scale) };
  return await withStanzaBench(numbers, async (bench) => {
    const stanza = bench.fixture.newStanza();
    const hand = await bench.byHand(stanza);
    await hand.run("stanza-create");
    await bench.fixture.archiveWith(hand.archiveCommand);
    // Not counted: the first one finds what the making of the database has left to write.
    await hand.run("backup", ...backupOptions);
    const sides: Record<Kind, Side> = {
      archive: archiving(bench),
      backup: backingUp(bench, stanza, hand),
      restore: restoring(bench, stanza, hand),
    };
    const results: Partial<Record<Kind, object>> = {};
    for (const kind of kinds.filter((one) => values.only === undefined || values.only === one))
      results[kind] = await compare(kind, sides[kind], Number(values.runs));
    return results;
  });
}

async function compare(kind: Kind, side: Side, runs: number): Promise<object> {
  const each: { readonly byHand: Taken; readonly ours: StanzaMeasured }[] = [];
  for (let number = 1; number <= runs; number++) {
    const pair = await alternate(side, number);
    const { byHand, ours } = pair;
    each.push(pair);
    process.stderr.write(
      `${kind}: by hand ${inSeconds(byHand)}; holdfast ${inSeconds(ours)}, ${Math.round(ours.rssPeakMB)} MB, ` +
        `${ours.choosingSeconds.toFixed(2)} s choosing, ${ours.commands.join(" ")}; ratio ${(byHand.seconds / ours.seconds).toFixed(2)}; ` +
        `load average ${loadavg()[0]?.toFixed(1)}\n`,
    );
  }
  const ratio = (one: number, other: number): number => Number((one / other).toFixed(2));
  const ofMedians = (of: (taken: Taken) => number): number =>
    ratio(median(each.map(({ byHand }) => of(byHand))), median(each.map(({ ours }) => of(ours))));
  const fastest = (of: (pair: (typeof each)[number]) => Taken): number =>
    Math.min(...each.map((pair) => of(pair).seconds));
  return {
    medianRatio: ratio(median(each.map(({ byHand, ours }) => byHand.seconds / ours.seconds)), 1),
    ratioOfMedians: ofMedians(({ seconds }) => seconds),
    ratioOfFastest: ratio(
      fastest(({ byHand }) => byHand),
      fastest(({ ours }) => ours),
    ),
    // The workers of asynchronous archiving by hand are nobody's children.
    ...(kind !== "archive" && { cpuRatio: ofMedians(({ cpuSeconds }) => cpuSeconds) }),
    rssPeakMB: Math.round(Math.max(...each.map(({ ours }) => ours.rssPeakMB))),
  };
}

const inSeconds = ({ seconds, cpuSeconds }: Taken): string => `${seconds.toFixed(2)} s (CPU ${cpuSeconds.toFixed(2)})`;

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? Number.NaN) + (sorted[Math.floor(half)] ?? Number.NaN)) / 2;
}

/** The one begins, then the other; each with nothing left to be written from before. */
async function alternate(side: Side, run: number): Promise<{ byHand: Taken; ours: StanzaMeasured }> {
  const byHand = (): Promise<Taken> => settled(() => side.byHand(run));
  const ours = (): Promise<StanzaMeasured> => settled(() => side.ours(run));
  if (run % 2 === 1) return { byHand: await byHand(), ours: await ours() };
  const first = await ours();
  return { byHand: await byHand(), ours: first };
}

async function settled<T>(work: () => Promise<T>): Promise<T> {
  await execute("sync");
  return await work();
}

/** Ours looks at the stanza before its first file, as it does once in a sidecar's life. */
function archiving(bench: StanzaBench): Side {
  const { fixture, backlog } = bench;
  const created = async (): Promise<{ stanza: TestStanza; hand: ByHand }> => {
    const stanza = fixture.newStanza();
    const hand = await bench.byHand(stanza, backlog.path);
    await hand.run("stanza-create", "--no-online");
    await bench.refill();
    return { stanza, hand };
  };
  const requireAll = async (hand: ByHand): Promise<void> => {
    const stored = await hand.run("repo-ls", "--recurse", "archive");
    const missing = backlog.names.filter((name) => !stored.includes(name));
    if (missing.length > 0) throw new Error(`the archive lacks ${missing.join(", ")}`);
  };
  return {
    byHand: async () => {
      const { hand } = await created();
      const taken = await timed(() => bench.drainByHand(hand));
      await requireAll(hand);
      return taken;
    },
    ours: async () => {
      const { stanza, hand } = await created();
      const measured = await bench.ours(stanza, backlog.path, { kind: "archive", names: backlog.names });
      await requireAll(hand);
      return measured;
    },
  };
}

function backingUp(bench: StanzaBench, stanza: TestStanza, hand: ByHand): Side {
  const { pgdata } = bench.fixture.primary;
  const marks = join(pgdata, "pg_wal", "archive_status");
  const histories = async (): Promise<string[]> =>
    (await readdir(marks)).filter((name) => /\.backup\.(ready|done)$/.test(name)).map((name) => name.slice(0, 24));
  return {
    byHand: async () => {
      const before = await histories();
      return await timed(async () => {
        await hand.run("backup", ...backupOptions);
        // PostgreSQL names a file of the backup's history after its first segment, which is its last one here too.
        const [segment] = (await histories()).filter((name) => !before.includes(name));
        const isArchived = (): boolean => existsSync(join(marks, `${segment}.done`));
        await until(isArchived, "the last segment of the backup is archived");
      });
    },
    ours: (run) => bench.ours(stanza, pgdata, { kind: "backup", name: `run-${run}` }),
  };
}

function restoring(bench: StanzaBench, stanza: TestStanza, hand: ByHand): Side {
  const newest = async (): Promise<string> => {
    const [info] = JSON.parse(await hand.run("info", "--output=json")) as [{ backup: { label: string }[] }];
    return info.backup.at(-1)?.label ?? "none";
  };
  const into = async <T>(work: (target: string) => Promise<T>): Promise<T> => {
    const target = bench.fixture.cluster.newPath("target");
    try {
      return await work(target);
    } finally {
      await rm(target, { recursive: true, force: true });
    }
  };
  return {
    byHand: () =>
      into(async (target) => {
        await bench.fixture.cluster.execute("mkdir", ["-m", "700", target]);
        const label = await newest();
        return await timed(() => hand.run("restore", `--set=${label}`, "--type=none", `--pg1-path=${target}`));
      }),
    ours: () => into((target) => bench.ours(stanza, target, { kind: "restore" })),
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  while (!condition()) {
    if (deadline.aborted) throw new Error(`after 60 s it is still not so that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function timed(work: () => Promise<unknown>): Promise<Taken> {
  const before = cpuTimes();
  const begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  return { seconds, cpuSeconds: cpuTimes().children - before.children };
}
