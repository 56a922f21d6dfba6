// The sidecar's side of the stanza benchmark, in a process of its own so that its memory can be told. Prints what it took as
// one line of JSON.
import { readFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { createStanzaArchiver } from "#engine/pgbackrest/archiver.ts";
import { runStanzaBackup } from "#engine/pgbackrest/backup.ts";
import { previewStanzaRecovery } from "#engine/pgbackrest/preview.ts";
import { runStanzaRestore } from "#engine/pgbackrest/restore.ts";
import type { Mutex } from "#kube/mutex.ts";
import { createLogger } from "#observe/logger.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { openPgbackrest, type Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { cpuTimes } from "./cpu.ts";

export interface StanzaTask {
  readonly config: StanzaConfig;
  readonly program: string;
  readonly scratch: string;
  /** Archived or backed up from, or restored to. */
  readonly pgdata: string;
  readonly connection: { readonly host: string; readonly port: number };
  readonly work:
    | { readonly kind: "archive"; readonly names: readonly string[] }
    | { readonly kind: "backup"; readonly name: string }
    | { readonly kind: "restore" };
}

export interface StanzaMeasured {
  readonly seconds: number;
  /** Of Node and of pgBackRest. */
  readonly cpuSeconds: number;
  /** Of `seconds`, before it was known which backup to restore. */
  readonly choosingSeconds: number;
  /** The commands that pgBackRest was started with, in order. */
  readonly commands: readonly string[];
  /** Of Node alone, without pgBackRest's processes. */
  readonly rssPeakMB: number;
}

const { config, program, scratch, pgdata, connection, work } = JSON.parse(process.argv[2] ?? "") as StanzaTask;
const { signal } = new AbortController();
const logger = createLogger("error");
const cluster = { namespace: "bench", name: "bench", uid: "bench" };
const spool = join(scratch, "spool");
const database = { pgdata, socketDirectory: connection.host, port: connection.port };
const opened = await openPgbackrest(config, { scratch, program, database, spoolPath: spool });
const commands: string[] = [];
const pgbackrest: Pgbackrest = {
  ...opened,
  run: (command, options) => {
    commands.push(command);
    return opened.run(command, options);
  },
};

let choosingSeconds = 0;
const before = cpuTimes();
const begin = performance.now();
if (work.kind === "archive") await archive(work.names);
else if (work.kind === "backup") await backup(work.name);
else await restore();
const seconds = (performance.now() - begin) / 1000;
const after = cpuTimes();
const measured: StanzaMeasured = {
  seconds,
  cpuSeconds: after.own + after.children - before.own - before.children,
  choosingSeconds,
  commands,
  rssPeakMB: Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024,
};
process.stdout.write(JSON.stringify(measured));

async function archive(names: readonly string[]): Promise<void> {
  const walDirectory = join(pgdata, "pg_wal");
  const archiver = createStanzaArchiver({ pgdata, walDirectory, spoolDirectory: spool, stateDirectory: spool, logger });
  const mutex: Mutex = { hold: (options, whileHeld) => whileHeld(options.signal) };
  const target = { name: "bench", pgbackrest, mutex };
  for (const name of names) {
    await archiver.archive(join(walDirectory, name), target, { cluster, checkEmpty: false, skipCheck: false, signal });
    const mark = join(walDirectory, "archive_status", name);
    await rename(`${mark}.ready`, `${mark}.done`);
  }
  await archiver.close(signal);
}

async function backup(name: string): Promise<void> {
  const request = { repository: 1, type: "full" } as const;
  const exclusively = <T>(held: AbortSignal, make: (held: AbortSignal) => Promise<T>): Promise<T> => make(held);
  await runStanzaBackup({ pgbackrest, connection, request, name, cluster, exclusively, logger, signal });
}

/** As a recovery job does: it first proves which backup it can begin from. */
async function restore(): Promise<void> {
  const preview = await previewStanzaRecovery({ pgbackrest, target: undefined, signal });
  choosingSeconds = (performance.now() - begin) / 1000;
  if (preview.kind === "unreachable") throw new Error(preview.message);
  const { id: label, repository = 1 } = preview.backup;
  const target = { pgdata, tablespaces: [], timeline: "latest", onPrepared: () => undefined } as const;
  await runStanzaRestore({ pgbackrest, backup: { label, repository }, ...target, logger, signal });
}
