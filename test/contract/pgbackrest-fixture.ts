// What the contract tests of pgBackRest share: a MinIO behind TLS and a PostgreSQL primary for a test file, and pgBackRest
// run by hand: programs of Debian, of several versions, that are told everything by plain variables of our writing, so that
// what the product tells its own is compared with something.
import { randomUUID } from "node:crypto";
import { cp, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { pgbackrestPrograms, type PgbackrestProgram } from "../cluster/pgbackrest.ts";
import { openTestCluster, type Server, type TestCluster } from "./backup-cluster.ts";
import { startMinio, type Minio } from "./minio.ts";
import {
  authorityOf,
  configOf,
  credentialsOf,
  variablesOf,
  type AnyTestRepository,
  type TestRepository,
} from "./pgbackrest-repositories.ts";

export type { TestRepository };

export interface TestStanza<R extends AnyTestRepository = TestRepository> {
  readonly name: string;
  /** The first is repository 1. */
  readonly repositories: readonly R[];
}

/** With its repositories wherever. */
export type AnyTestStanza = TestStanza<AnyTestRepository>;

/** pgBackRest for one stanza and one database, as a script that the servers' user can run. */
export interface ByHand {
  /** The script; its name holds "pgbackrest", which `check` and `backup` look for in archive_command. */
  readonly script: string;
  /** Standard output. Throws with what was said when it ends with another status than 0. */
  run(...args: readonly string[]): Promise<string>;
  readonly archiveCommand: string;
  readonly restoreCommand: string;
}

export interface ByHandOptions {
  /** One of `pgbackrestPrograms()`; that of the product's image when absent. */
  readonly program?: PgbackrestProgram;
  readonly stanza: AnyTestStanza;
  /** The fixture's primary when absent. */
  readonly server?: Pick<Server, "pgdata" | "connection">;
  /** Few files that are packed fast, for tests that are not about the files: pgBackRest's default is a file for each. */
  readonly isQuick?: boolean;
  /** Further variables, such as PGBACKREST_ARCHIVE_ASYNC. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** The version of the product's image. */
export const imageProgram = (): PgbackrestProgram => {
  const found = pgbackrestPrograms().find(({ version }) => version.startsWith("2.55"));
  if (found === undefined) throw new Error("no pgbackrest of the image's version");
  return found;
};

export class PgbackrestFixture {
  minio!: Minio;
  cluster!: TestCluster;
  primary!: Server;
  #stanzas = 0;
  readonly #copies = new Map<string, Promise<string>>();

  /** A stanza that nothing has used, under a name that holds no locks of another, in one repository unless told otherwise. */
  newStanza(): TestStanza;
  newStanza<R extends AnyTestRepository>(repositories: readonly R[]): TestStanza<R>;
  newStanza(repositories: readonly AnyTestRepository[] = [this.newRepository()]): AnyTestStanza {
    return { name: `main-${++this.#stanzas}`, repositories };
  }

  newRepository(over: Partial<TestRepository> = {}): TestRepository {
    return { minio: this.minio, path: `/${randomUUID()}`, ...over };
  }

  async byHand(options: ByHandOptions): Promise<ByHand> {
    const { program = imageProgram(), stanza, server = this.primary, variables, isQuick = false } = options;
    const { folder } = this.cluster;
    const path = await this.#copy(program);
    const place = this.cluster.newPath("pgbackrest");
    const repositories = await Promise.all(
      stanza.repositories.map((one, index) => this.#variables(one, index, isQuick)),
    );
    const all: Readonly<Record<string, string>> = {
      PGBACKREST_CONFIG: "/dev/null",
      PGBACKREST_STANZA: stanza.name,
      PGBACKREST_PG1_PATH: server.pgdata,
      PGBACKREST_PG1_SOCKET_PATH: server.connection.host,
      PGBACKREST_PG1_PORT: String(server.connection.port),
      PGBACKREST_PG1_USER: "postgres",
      PGBACKREST_LOCK_PATH: join(folder, "lock"),
      PGBACKREST_SPOOL_PATH: `${place}.spool`,
      PGBACKREST_LOG_LEVEL_FILE: "off",
      PGBACKREST_LOG_LEVEL_CONSOLE: "off",
      PGBACKREST_LOG_LEVEL_STDERR: "warn",
      PGBACKREST_START_FAST: "y",
      ...(isQuick && { PGBACKREST_COMPRESS_TYPE: "zst" }),
      ...Object.fromEntries(repositories.flat()),
      ...variables,
    };
    const script = `${place}.sh`;
    const lines = Object.entries(all).map(([name, value]) => `export ${name}='${value}'\n`);
    await writeFile(script, `#!/bin/sh\n${lines.join("")}exec ${path} "$@"\n`, { mode: 0o755 });
    return {
      script,
      run: (...args) => this.cluster.execute(script, args),
      archiveCommand: `${script} archive-push %p`,
      // For whatever directory was restored: PostgreSQL starts the command there. With locks of its own, as on a machine of
      // its own: while archive-get works in the background, archive-push of the same stanza waits for the lock.
      restoreCommand: `${script} --pg1-path="$PWD" --lock-path="$PWD.lock" archive-get %f %p`,
    };
  }

  /** The same stanza for the product's own code. */
  stanzaConfig({ name, repositories }: AnyTestStanza, over: Partial<StanzaConfig> = {}): StanzaConfig {
    return {
      stanza: name,
      repositories: repositories.map((repository, index) => configOf(repository, index + 1)),
      credentials: { kind: "repositories", each: repositories.map(credentialsOf) },
      processMax: 2,
      archive: { async: false, getQueueBytes: 128 * 1024 * 1024 },
      startFast: true,
      delta: false,
      logLevel: "warn",
      backup: { fullEveryDays: 7, chainMax: 30 },
      variables: {},
      ...over,
    };
  }

  /** What the primary archives with from now on. */
  async archiveWith(command: string): Promise<void> {
    await this.primary.query(`ALTER SYSTEM SET archive_command = '${command.replaceAll("'", "''")}'`);
    await this.primary.query("SELECT pg_reload_conf()");
  }

  /** The servers' user may not look into the cache; the programs run anywhere. Copied once, for they may be running. */
  #copy({ version, program }: PgbackrestProgram): Promise<string> {
    const to = join(this.cluster.folder, `programs-${version}`);
    const copy =
      this.#copies.get(version) ?? cp(dirname(program), to, { recursive: true }).then(() => join(to, "pgbackrest"));
    this.#copies.set(version, copy);
    return copy;
  }

  async #variables(repository: AnyTestRepository, index: number, isQuick: boolean): Promise<[string, string][]> {
    const caFile = this.cluster.newPath("authority");
    await writeFile(caFile, authorityOf(repository));
    const variables = { ...variablesOf(repository), STORAGE_CA_FILE: caFile, ...(isQuick && { BUNDLE: "y" }) };
    return Object.entries(variables).map(([name, value]) => [`PGBACKREST_REPO${index + 1}_${name}`, value]);
  }
}

/** Registers the hooks of the test file. */
export function usePgbackrest(): PgbackrestFixture {
  const fixture = new PgbackrestFixture();
  beforeAll(async () => {
    [fixture.minio, fixture.cluster] = await Promise.all([startMinio({ tls: true }), openTestCluster()]);
    fixture.primary = await fixture.cluster.create("primary");
    const { folder } = fixture.cluster;
    const place = ["-h", folder, "-p", String(fixture.primary.connection.port), "-U", "postgres", "postgres"];
    await fixture.cluster.program("pgbench", ["-i", "-q", "-s", "2", ...place]);
    // Each of them is 300 files more in every backup.
    await fixture.primary.query("UPDATE pg_database SET datistemplate = false WHERE datistemplate");
    for (const name of ["template0", "template1"]) await fixture.primary.query(`DROP DATABASE ${name}`);
  });
  afterAll(async () => {
    await Promise.all([fixture.minio.stop(), fixture.cluster.end()]);
  });
  return fixture;
}
