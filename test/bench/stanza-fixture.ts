// What the stanza benchmark works with: a MinIO behind TLS, a database of pgbench, a data directory with a backlog of WAL,
// pgBackRest by hand with options as the sidecar gives them, and our own side in a process of its own.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { openTestCluster } from "../contract/backup-cluster.ts";
import { startMinio } from "../contract/minio.ts";
import { imageProgram, PgbackrestFixture, type ByHand, type TestStanza } from "../contract/pgbackrest-fixture.ts";
import { bundleWorker, nodeFlags } from "./bundle.ts";
import type { StanzaMeasured, StanzaTask } from "./stanza-worker.ts";
import { createPgdata, pgbenchContent, segmentNames, type Pgdata } from "./wal-data.ts";

const execute = promisify(execFile);
const segmentBytes = 16 * 1024 * 1024;
const processMax = 2;
const compression = { type: "zst", level: 1 };

export interface StanzaBench {
  readonly fixture: PgbackrestFixture;
  /** Holds the backlog and nothing else. */
  readonly backlog: Pgdata & { readonly names: readonly string[] };
  /**
   * pgBackRest for the stanza and a data directory, that of the database when absent. Each command in a session of its own,
   * as ours are: Linux shares a busy machine's time between sessions.
   */
  byHand(stanza: TestStanza, pgdata?: string): Promise<ByHand>;
  ours(stanza: TestStanza, pgdata: string, work: StanzaTask["work"]): Promise<StanzaMeasured>;
  /** Marks the whole backlog as not archived. */
  refill(): Promise<void>;
  /** Asks for one file of the backlog after the other, as PostgreSQL does: by a shell, and takes the marks away. */
  drainByHand(hand: ByHand): Promise<void>;
}

export async function withStanzaBench<T>(
  { scale, segments }: { readonly scale: number; readonly segments: number },
  work: (bench: StanzaBench) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const fixture = new PgbackrestFixture();
  [fixture.minio, fixture.cluster] = await Promise.all([startMinio({ tls: true }), openTestCluster()]);
  try {
    fixture.primary = await fixture.cluster.create("primary");
    const place = ["-h", fixture.cluster.folder, "-p", String(fixture.primary.connection.port), "-U", "postgres"];
    await fixture.cluster.program("pgbench", ["-i", "-q", "-s", String(scale), ...place, "postgres"]);
    const backlog = await createPgdata(join(folder, "pgdata"), { segmentBytes });
    const names = segmentNames("000000010000000000000001", segments, segmentBytes);
    for (const name of names) await backlog.add(name, { content: pgbenchContent(name, backlog) });
    const worker = await bundleWorker("stanza-worker", join(folder, "worker"));
    return await work(stanzaBench(fixture, { ...backlog, names }, { folder, worker }));
  } finally {
    await Promise.all([fixture.minio.stop(), fixture.cluster.end()]);
    await rm(folder, { recursive: true, force: true });
  }
}

function stanzaBench(
  fixture: PgbackrestFixture,
  backlog: StanzaBench["backlog"],
  { folder, worker }: { readonly folder: string; readonly worker: string },
): StanzaBench {
  const { host, port = 5432 } = fixture.primary.connection;
  const marks = join(backlog.walDirectory, "archive_status");
  let count = 0;
  return {
    fixture,
    backlog,
    byHand: async (stanza, pgdata = fixture.primary.pgdata) => {
      const isOurs = pgdata === backlog.path;
      const hand = await fixture.byHand({
        stanza,
        server: { ...fixture.primary, pgdata },
        variables: {
          PGBACKREST_ARCHIVE_ASYNC: "y",
          PGBACKREST_PROCESS_MAX: String(processMax),
          PGBACKREST_COMPRESS_TYPE: compression.type,
          PGBACKREST_COMPRESS_LEVEL: String(compression.level),
          ...(isOurs && { PGBACKREST_LOCK_PATH: join(folder, `lock-${++count}`) }),
        },
      });
      const alone = ["--wait", hand.script];
      return {
        ...hand,
        run: async (...args) => {
          // The servers' user may not write to the backlog's files.
          if (isOurs) return (await execute("setsid", [...alone, ...args])).stdout;
          return await fixture.cluster.execute("setsid", [...alone, ...args]);
        },
      };
    },
    ours: async (stanza, pgdata, work) => {
      const scratch = join(folder, `scratch-${++count}`);
      await mkdir(scratch);
      const archive = { async: true, getQueueBytes: 128 * 1024 * 1024 };
      const config = fixture.stanzaConfig(stanza, { processMax, compression, archive });
      const { program } = imageProgram();
      const task: StanzaTask = { config, program, scratch, pgdata, connection: { host, port }, work };
      const { stdout } = await execute(process.execPath, [...nodeFlags, worker, JSON.stringify(task)]);
      return JSON.parse(stdout) as StanzaMeasured;
    },
    refill: async () => {
      for (const mark of await readdir(marks))
        await rename(join(marks, mark), join(marks, mark.replace(/done$/, "ready")));
    },
    drainByHand: async ({ script }) => {
      const loop = `for name in ${backlog.names.join(" ")}; do
        ${script} archive-push ${backlog.walDirectory}/$name && mv ${marks}/$name.ready ${marks}/$name.done || exit
      done`;
      await execute("setsid", ["--wait", "/bin/sh", "-c", loop], { cwd: backlog.path });
    },
  };
}
