// The sidecar's engine of a Stanza beside pgBackRest by hand, with the same options: a backlog of WAL drained by asynchronous
// archiving, a full backup until its WAL is archived, and its restore. A ratio is the time by hand over ours.
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { ByHand, TestStanza } from "../contract/pgbackrest-fixture.ts";
import { withStanzaBench, type StanzaBench } from "./stanza-fixture.ts";
import type { StanzaMeasured } from "./stanza-worker.ts";

const kinds = ["archive", "backup", "restore"] as const;
type Kind = (typeof kinds)[number];
const backupOptions = ["--type=full", "--no-archive-check", "--no-expire-auto"];

/** One way of doing each; `run` is another number each time. */
interface Side {
  readonly byHand: (run: number) => Promise<number>;
  readonly ours: (run: number) => Promise<StanzaMeasured>;
}

/** Options: --segments N (32), --scale N (40), --runs N (3), --only archive|backup|restore. */
export async function run(args: readonly string[]): Promise<object> {
  const option = (value: string): { type: "string"; default: string } => ({ type: "string", default: value });
  const options = { segments: option("32"), scale: option("40"), runs: option("3"), only: { type: "string" } } as const;
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
    const ratios: Partial<Record<Kind, number>> = {};
    let rssPeakMB = 0;
    for (const kind of kinds.filter((one) => values.only === undefined || values.only === one)) {
      const found: number[] = [];
      for (let number = 1; number <= Number(values.runs); number++) {
        const { byHand, ours } = await alternate(sides[kind], number);
        found.push(byHand / ours.seconds);
        rssPeakMB = Math.max(rssPeakMB, Math.round(ours.rssPeakMB));
        process.stderr.write(
          `${kind}: by hand ${byHand.toFixed(2)} s; holdfast ${ours.seconds.toFixed(2)} s, ` +
            `${Math.round(ours.rssPeakMB)} MB; ratio ${(byHand / ours.seconds).toFixed(2)}; ` +
            `load average ${loadavg()[0]?.toFixed(1)}\n`,
        );
      }
      const sorted = found.toSorted((a, b) => a - b);
      ratios[kind] = Number((sorted[Math.floor(sorted.length / 2)] ?? Number.NaN).toFixed(2));
    }
    return { ratios, rssPeakMB };
  });
}

/** The one begins, then the other. */
async function alternate(side: Side, run: number): Promise<{ byHand: number; ours: StanzaMeasured }> {
  if (run % 2 === 1) return { byHand: await side.byHand(run), ours: await side.ours(run) };
  const ours = await side.ours(run);
  return { byHand: await side.byHand(run), ours };
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
      const seconds = await timed(() => bench.drainByHand(hand));
      await requireAll(hand);
      return seconds;
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
  const into = async <T>(work: (target: string, label: string) => Promise<T>): Promise<T> => {
    const target = bench.fixture.cluster.newPath("target");
    const label = await newest();
    try {
      return await work(target, label);
    } finally {
      await rm(target, { recursive: true, force: true });
    }
  };
  return {
    byHand: () =>
      into(async (target, label) => {
        await bench.fixture.cluster.execute("mkdir", ["-m", "700", target]);
        return await timed(() => hand.run("restore", `--set=${label}`, "--type=none", `--pg1-path=${target}`));
      }),
    ours: () => into((target, label) => bench.ours(stanza, target, { kind: "restore", label })),
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  while (!condition()) {
    if (deadline.aborted) throw new Error(`after 60 s it is still not so that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}
