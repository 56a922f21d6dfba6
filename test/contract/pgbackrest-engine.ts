// A stanza that the product's engine backs up and restores, for contract tests: made by hand, archived to by hand.
import { mkdir } from "node:fs/promises";
import { onTestFinished } from "vitest";
import { runStanzaBackup, type StanzaBackupOptions, type StanzaBackupOutcome } from "#engine/pgbackrest/backup.ts";
import { runStanzaRestore, type StanzaRestoreOptions } from "#engine/pgbackrest/restore.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { readInfo, type PgbackrestInfo } from "#repository/pgbackrest/info.ts";
import { openPgbackrest, type Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { pgbackrestPrograms, type PgbackrestProgram } from "../cluster/pgbackrest.ts";
import { signalRecovery, type Server, type Settings } from "./backup-cluster.ts";
import { logger, poll, signal } from "./backup-fixture.ts";
import type { ByHand, PgbackrestFixture, AnyTestStanza } from "./pgbackrest-fixture.ts";

/** The oldest that is supported, and that of the product's image. */
export const engineVersions: readonly PgbackrestProgram[] = pgbackrestPrograms().slice(0, 2);

export class StanzaUnderTest {
  readonly fixture: PgbackrestFixture;
  readonly pgbackrest: Pgbackrest;
  readonly hand: ByHand;
  readonly #program: PgbackrestProgram;

  private constructor(fixture: PgbackrestFixture, pgbackrest: Pgbackrest, hand: ByHand, program: PgbackrestProgram) {
    this.fixture = fixture;
    this.pgbackrest = pgbackrest;
    this.hand = hand;
    this.#program = program;
  }

  /** As it stands: who made it, and by which version, is all one. */
  static async of(
    fixture: PgbackrestFixture,
    program: PgbackrestProgram,
    stanza: AnyTestStanza,
    over: Partial<StanzaConfig> = {},
  ): Promise<StanzaUnderTest> {
    const hand = await fixture.byHand({ program, stanza });
    const pgbackrest = await open(fixture, program, fixture.stanzaConfig(stanza, over), fixture.primary);
    return new StanzaUnderTest(fixture, pgbackrest, hand, program);
  }

  /** Created, and archived to from now on. */
  static async create(...[fixture, ...of]: Parameters<typeof StanzaUnderTest.of>): Promise<StanzaUnderTest> {
    const stanza = await StanzaUnderTest.of(fixture, ...of);
    await stanza.hand.run("stanza-create");
    await fixture.archiveWith(stanza.hand.archiveCommand);
    return stanza;
  }

  /** For a database of its own. */
  openFor(pgdata: string, config: StanzaConfig = this.pgbackrest.config): Promise<Pgbackrest> {
    const { connection } = this.fixture.primary;
    return open(this.fixture, this.#program, config, { pgdata, connection });
  }

  backup(over: Partial<StanzaBackupOptions> = {}): Promise<StanzaBackupOutcome> {
    return runStanzaBackup({
      pgbackrest: this.pgbackrest,
      connection: this.fixture.primary.connection,
      request: { repository: 1 },
      name: "nightly",
      cluster: { namespace: "db", name: "pg", uid: "7a1e2d9c" },
      exclusively: (limited, work) => work(limited),
      walDeadlineMs: 30_000,
      logger,
      signal,
      ...over,
    });
  }

  async restore(
    { label, repository }: Pick<StanzaBackupOutcome, "label" | "repository">,
    over: Partial<StanzaRestoreOptions> = {},
  ): Promise<string> {
    const pgdata = over.pgdata ?? this.fixture.cluster.newPath("restored");
    await runStanzaRestore({
      pgbackrest: over.pgbackrest ?? (await this.openFor(pgdata)),
      backup: { label, repository, sizeBytes: 50_000_000 },
      timeline: "latest",
      tablespaces: [],
      onPrepared: () => {},
      logger,
      signal,
      ...over,
      pgdata,
    });
    return pgdata;
  }

  /** As CNPG does: a signal file, and settings in a file that postgresql.auto.conf would override. */
  async recover(pgdata: string, settings: Settings = {}): Promise<Server> {
    await signalRecovery(pgdata, "recovery");
    const { restoreCommand } = this.hand;
    const fixed = { archive_mode: "off", restore_command: restoreCommand, recovery_target_action: "promote" };
    const server = await this.fixture.cluster.start(pgdata, { ...fixed, ...settings });
    onTestFinished(() => server.stop());
    await poll(async () => (await server.value("SELECT pg_is_in_recovery()")) === "f");
    return server;
  }

  info(): Promise<PgbackrestInfo> {
    return readInfo(this.pgbackrest, { deadlineMs: 30_000, signal });
  }

  /** Lets everything that was committed so far reach the archive. */
  async archiveAll(): Promise<void> {
    const segment = await this.fixture.primary.value("SELECT pg_walfile_name(pg_switch_wal())");
    await poll(async () => {
      const archived = await this.fixture.primary.value("SELECT last_archived_wal FROM pg_stat_archiver");
      return archived >= segment;
    });
  }
}

async function open(
  fixture: PgbackrestFixture,
  { program }: PgbackrestProgram,
  config: StanzaConfig,
  { pgdata, connection }: Pick<Server, "pgdata" | "connection">,
): Promise<Pgbackrest> {
  const scratch = fixture.cluster.newPath("scratch");
  await mkdir(scratch);
  const database = { pgdata, socketDirectory: connection.host, port: connection.port ?? 5432 };
  return await openPgbackrest(config, { scratch, program, database });
}
