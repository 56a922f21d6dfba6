// What the tests of WAL in a stanza share: a primary that archives nothing by itself, so that a test decides which files are
// ready, and the product's archiver and fetcher over pgBackRest.
import { mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { beforeAll, onTestFinished } from "vitest";
import type { ArchiveCall } from "#engine/archive/archiver.ts";
import { createFetcher, type FetchMode } from "#engine/archive/fetcher.ts";
import { createStanzaArchiver, type StanzaArchiver, type StanzaTarget } from "#engine/pgbackrest/archiver.ts";
import { stanzaArchive } from "#engine/pgbackrest/stanza-archive.ts";
import type { Mutex } from "#kube/mutex.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { openPgbackrest, type Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import type { Server } from "./backup-cluster.ts";
import { imageProgram, usePgbackrest, type PgbackrestFixture, type AnyTestStanza } from "./pgbackrest-fixture.ts";

export const never = new AbortController().signal;
export const mib = 1024 * 1024;
export const cluster = { namespace: "app", name: "pg", uid: "4b0c6f0e-0000-4000-8000-000000000001" };
export const logger = pino({ level: process.env["HOLDFAST_TEST_LOG"] ?? "silent" });

export interface SideOptions {
  readonly server?: Server;
  readonly config?: Partial<StanzaConfig>;
  readonly program?: string;
  readonly spoolDirectory?: string;
  readonly callMsMax?: number;
  /** Of an earlier side, as after a restart of the sidecar. */
  readonly scratch?: string;
  readonly mutex?: Mutex;
}

/** The sidecar's part of one instance. */
export interface Side {
  readonly archiver: StanzaArchiver;
  readonly target: StanzaTarget;
  readonly scratch: string;
  readonly spoolDirectory: string;
  /** Commands that pgBackRest was given, in order. */
  readonly commands: string[];
  readonly pathOf: (name: string) => string;
  /** As PostgreSQL does: asks for the file, and takes its mark away when that went well. */
  archive(name: string, call?: Partial<ArchiveCall>): Promise<void>;
  /** The same with other settings of the Stanza; `before` is told of it before those who use the old ones. */
  reopen(stanza: AnyTestStanza, config?: Partial<StanzaConfig>, before?: (next: Side) => void): Promise<Side>;
  fetch(name: string, mode?: FetchMode, signal?: AbortSignal): Promise<string>;
}

/** Runs the work at once: the Lease has tests of its own (src/kube/lease-mutex.test.ts). */
export const freeMutex: Mutex = { hold: ({ signal }, work) => work(signal) };

export class WalFixture {
  readonly pgbackrest: PgbackrestFixture;
  primary!: Server;
  /** Finished segments of the primary, oldest first. */
  segments: readonly string[] = [];

  constructor(pgbackrest: PgbackrestFixture) {
    this.pgbackrest = pgbackrest;
  }

  async makeWal(server: Server, count: number): Promise<readonly string[]> {
    const names: string[] = [];
    for (let index = 0; index < count; index++) {
      await server.query(`SELECT pg_logical_emit_message(false, 'test', 'wal ${index}')`);
      names.push(await server.value("SELECT pg_walfile_name(pg_switch_wal())"));
    }
    return names;
  }

  /** Only these wait to be archived. */
  async ready(names: readonly string[], { pgdata }: Server = this.primary): Promise<void> {
    const marks = join(pgdata, "pg_wal", "archive_status");
    for (const mark of await readdir(marks)) await rm(join(marks, mark), { force: true });
    for (const name of names) await writeFile(join(marks, `${name}.ready`), "");
  }

  async side(stanza: AnyTestStanza, options: SideOptions = {}): Promise<Side> {
    const { server = this.primary, mutex = freeMutex, callMsMax } = options;
    const { pgdata, connection } = server;
    const scratch = options.scratch ?? (await mkdtemp(join(tmpdir(), "holdfast-sidecar-")));
    onTestFinished(() => rm(scratch, { recursive: true, force: true }));
    const spoolDirectory = options.spoolDirectory ?? join(scratch, "spool");
    const walDirectory = join(pgdata, "pg_wal");
    const archiver = createStanzaArchiver({
      pgdata,
      walDirectory,
      spoolDirectory,
      stateDirectory: join(scratch, "state"),
      logger,
      ...(callMsMax !== undefined && { callMsMax }),
    });
    onTestFinished(() => archiver.close(AbortSignal.timeout(1)));
    const commands: string[] = [];
    const open = async (
      opened: AnyTestStanza,
      config: Partial<StanzaConfig>,
      superseded: AbortController,
    ): Promise<Side> => {
      const program = await openPgbackrest(
        this.pgbackrest.stanzaConfig(opened, { compression: { type: "lz4" }, ...config }),
        {
          scratch: join(scratch, "main"),
          program: options.program ?? imageProgram().program,
          database: { pgdata, socketDirectory: connection.host, port: connection.port ?? 0 },
          spoolPath: spoolDirectory,
        },
      );
      const pgbackrest: Pgbackrest = {
        ...program,
        run: (command, call) => {
          commands.push(command);
          return program.run(command, call);
        },
      };
      const target: StanzaTarget = { name: "main", pgbackrest, mutex, superseded: superseded.signal };
      const pathOf = (name: string): string => join(walDirectory, name);
      return {
        archiver,
        target,
        scratch,
        spoolDirectory,
        commands,
        pathOf,
        async archive(name, call = {}) {
          const usual = { cluster, checkEmpty: false, skipCheck: false, signal: never };
          await archiver.archive(pathOf(name), target, { ...usual, ...call });
          const mark = join(walDirectory, "archive_status", name);
          await rename(`${mark}.ready`, `${mark}.done`).catch(() => undefined);
        },
        async reopen(next, changes = config, before = () => undefined) {
          const side = await open(next, changes, new AbortController());
          before(side);
          superseded.abort(new Error("the stanza has changed"));
          return side;
        },
        async fetch(name, mode = "rewind", signal = never) {
          const fetcher = createFetcher({ spoolDirectory: join(scratch, "fetched"), logger });
          const destination = join(scratch, "RECOVERYXLOG");
          await rm(destination, { force: true });
          const archive = stanzaArchive(pgbackrest, { name: "main" });
          try {
            await fetcher.fetch({ name, destination, archive, segmentBytes: 16 * mib, mode, signal });
            return destination;
          } finally {
            await fetcher.close();
          }
        },
      };
    };
    return open(stanza, options.config ?? {}, new AbortController());
  }
}

export function useStanzaWal(segments: number): WalFixture {
  const pgbackrest = usePgbackrest();
  const fixture = new WalFixture(pgbackrest);
  beforeAll(async () => {
    fixture.primary = await pgbackrest.cluster.create("archiving", { archive_command: "false", wal_keep_size: "2GB" });
    fixture.segments = await fixture.makeWal(fixture.primary, segments);
  });
  return fixture;
}

/** The archive settings of a Stanza. */
export const archiving = (changes: Partial<StanzaConfig["archive"]> = {}): Partial<StanzaConfig> => ({
  archive: { async: false, getQueueBytes: 128 * mib, ...changes },
});
