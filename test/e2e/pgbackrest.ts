// pgbackrest as an administrator would run it by hand, on this machine, with variables written out here and not by the
// product: whoever leaves it must be able to go on with the repository, and to have a PostgreSQL of their own from it.
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { command } from "../cluster/command.ts";
import { clusterEnvironment } from "../cluster/env.ts";
import { store } from "../cluster/settings.ts";
import type { TestCluster } from "../contract/backup-cluster.ts";
import { until } from "./steps.ts";

export interface RepositoryByHand {
  readonly stanza: string;
  /** repo1-path */
  readonly path: string;
  readonly passphrase?: string;
}

export interface ByHand {
  /** Runs one command of pgbackrest 2.45 for the restored database; gives what it printed. */
  run(name: string, ...options: readonly string[]): Promise<string>;
  /** Restores the newest backup and starts PostgreSQL on it, which replays all WAL of the repository; psql asks it. */
  recover(): Promise<(database: string, sql: string) => Promise<string>>;
}

/**
 * With the one repository as its first. There is no `check`: that asks the primary's server itself, whose socket is in its
 * pod, and wants "pgbackrest" in its archive_command, which is CloudNativePG's own. A restored server that archives by
 * pgbackrest would satisfy it, but would put a second history of the cluster into the stanza that is in use.
 */
export async function pgbackrestByHand(cluster: TestCluster, repository: RepositoryByHand): Promise<ByHand> {
  const { HOLDFAST_PGBACKREST_2_45: programs, HOLDFAST_S3_CA: authority } = clusterEnvironment();
  // PostgreSQL's user starts it for each segment, and may not look into where the originals are.
  const place = cluster.newPath("by-hand");
  await cp(programs, place, { recursive: true });
  await writeFile(authorityIn(place), await readFile(authority));
  const pgdata = cluster.newPath("restored");
  await mkdir(pgdata, { mode: 0o700 });
  const script = join(place, "pgbackrest.sh");
  const variables = { ...variablesOf(repository, place), PGBACKREST_PG1_PATH: pgdata };
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'\n`);
  await writeFile(script, `#!/bin/sh\n${lines.join("")}exec ${join(place, "pgbackrest")} "$@"\n`, { mode: 0o755 });

  // As who runs the journeys: CloudNativePG makes a file read-only that a restore writes to.
  const run: ByHand["run"] = (...args) => command(script, args, { signal: AbortSignal.timeout(180_000) });
  return {
    run,
    async recover() {
      const restoreCommand = `${script} archive-get %f "%p"`;
      await run("restore", `--recovery-option=restore_command=${restoreCommand}`);
      // What CloudNativePG's settings name is in its pods; who may enter is the business of whoever restored it.
      await writeFile(join(pgdata, "postgresql.conf"), "");
      await writeFile(join(pgdata, "pg_hba.conf"), "local all all trust\n");
      // Where standby connections are allowed, limits have to be as high as they were in the pod.
      const { connection } = await cluster.start(pgdata, { archive_mode: "off", hot_standby: "off" });
      const server = ["-h", connection.host, "-p", String(connection.port), "-U", "postgres"];
      const query = async (database: string, sql: string): Promise<string> =>
        (await cluster.program("psql", [...server, "-d", database, "-qAtX", "-c", sql])).trim();
      await until("the recovery by hand to end", 120_000, async () => {
        return (await query("postgres", "SELECT pg_is_in_recovery()")) === "f";
      });
      return query;
    },
  };
}

const authorityIn = (place: string): string => join(place, "authority.crt");

function variablesOf({ stanza, path, passphrase }: RepositoryByHand, place: string): Record<string, string> {
  return {
    PGBACKREST_CONFIG: "/dev/null",
    PGBACKREST_STANZA: stanza,
    PGBACKREST_LOG_LEVEL_FILE: "off",
    PGBACKREST_LOCK_PATH: join(place, "lock"),
    PGBACKREST_REPO1_TYPE: "s3",
    PGBACKREST_REPO1_PATH: path,
    PGBACKREST_REPO1_S3_BUCKET: store.bucket,
    PGBACKREST_REPO1_S3_ENDPOINT: clusterEnvironment().HOLDFAST_S3_TLS_ENDPOINT,
    PGBACKREST_REPO1_S3_REGION: "us-east-1",
    PGBACKREST_REPO1_S3_URI_STYLE: "path",
    PGBACKREST_REPO1_S3_KEY: store.accessKeyId,
    PGBACKREST_REPO1_S3_KEY_SECRET: store.secretAccessKey,
    PGBACKREST_REPO1_STORAGE_CA_FILE: authorityIn(place),
    ...(passphrase !== undefined && {
      PGBACKREST_REPO1_CIPHER_TYPE: "aes-256-cbc",
      PGBACKREST_REPO1_CIPHER_PASS: passphrase,
    }),
  };
}
