// PostgreSQL servers of this machine for tests of backup and restore: a primary that archives into a directory, standbys
// of it, and whatever a test restored. They run as the user `postgres` where the test runs as root, because PostgreSQL
// refuses root. Programs come from Debian's package postgresql-15, or from the folder HOLDFAST_POSTGRES.
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { appendFile, chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connectPostgres, type ConnectionOptions, type Row } from "#postgres/connection.ts";
import { walKey } from "#repository/barman/layout.ts";
import type { ObjectStore } from "#store/store.ts";

const run = promisify(execFile);

export interface Server {
  readonly pgdata: string;
  readonly connection: ConnectionOptions;
  query(text: string): Promise<readonly Row[]>;
  /** The one value of the first row. */
  value(text: string): Promise<string>;
  stop(): Promise<void>;
}

export interface TestCluster {
  /** Belongs to the servers' user; removed at the end. */
  readonly folder: string;
  /** Where archive_command copies to; stays whole, so that restore_command reads from it. */
  readonly archive: string;
  /** Makes a database cluster and starts it. */
  create(name: string, settings?: Settings): Promise<Server>;
  /** Starts a data directory that a test has filled. */
  start(pgdata: string, settings?: Settings): Promise<Server>;
  /** Runs one of PostgreSQL's programs as the servers' user. */
  program(name: string, args: readonly string[]): Promise<string>;
  /** Runs any program as the servers' user. */
  execute(file: string, args: readonly string[]): Promise<string>;
  /** A path under the folder that nothing has used yet. */
  newPath(name: string): string;
  /** Copies what is archived from now on into the store, until the returned function is called. */
  archiveTo(store: ObjectStore, server: string): () => Promise<void>;
  /** Stops all servers. */
  end(): Promise<void>;
}

export type Settings = Readonly<Record<string, string>>;

const signal = new AbortController().signal;

export async function openTestCluster(): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-pg-"));
  const owner = serverUser();
  const archive = join(folder, "archive");
  await mkdir(archive);
  await give(folder, owner);
  const running = new Set<Server>();
  let paths = 0;
  let ports = 6000;

  const execute = async (file: string, args: readonly string[]): Promise<string> => {
    const { stdout } = await run(file, args, { cwd: folder, ...owner });
    return stdout;
  };
  const program = (name: string, args: readonly string[]): Promise<string> => execute(programPath(name), args);
  const start = async (pgdata: string, settings: Settings = {}): Promise<Server> => {
    const port = ports++;
    await give(pgdata, owner);
    await configure(pgdata, { ...commonSettings(folder, archive, port), ...settings });
    const log = `${pgdata}.log`;
    await program("pg_ctl", ["-D", pgdata, "-l", log, "-w", "-t", "60", "start"]).catch(async (error: unknown) => {
      throw new Error(await readFile(log, "utf8"), { cause: error });
    });
    const connection = { host: folder, port };
    const server: Server = {
      pgdata,
      connection,
      query: (text) => query(connection, text),
      value: async (text) => Object.values((await query(connection, text))[0] ?? {})[0] ?? "",
      stop: async () => {
        running.delete(server);
        await program("pg_ctl", ["-D", pgdata, "-m", "immediate", "-w", "stop"]);
      },
    };
    running.add(server);
    return server;
  };
  return {
    folder,
    archive,
    start,
    program,
    execute,
    newPath: (name) => join(folder, `${name}-${++paths}`),
    create: async (name, settings) => {
      const pgdata = join(folder, name);
      await program("initdb", ["-D", pgdata, "-U", "postgres", "-A", "trust", "--no-sync", "--data-checksums"]);
      return await start(pgdata, settings);
    },
    archiveTo: (store, server) => pump(archive, store, server),
    end: async () => {
      for (const server of running) await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** Follows the directory that archive_command fills; a file is whole once it has its name. */
function pump(archive: string, store: ObjectStore, server: string): () => Promise<void> {
  const done = new Set(readdirSync(archive));
  const stop = new AbortController();
  const following = (async () => {
    while (!stop.signal.aborted) {
      for (const name of (await readdir(archive)).sort().filter((name) => !name.endsWith(".tmp") && !done.has(name))) {
        await store.put(walKey(server, name, ""), await readFile(join(archive, name)), { signal });
        done.add(name);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return async () => {
    stop.abort();
    await following;
  };
}

async function query(connection: ConnectionOptions, text: string): Promise<readonly Row[]> {
  const session = await connectPostgres({ ...connection, applicationName: "test" }, signal);
  try {
    return await session.query(text, { signal });
  } finally {
    await session.close();
  }
}

const commonSettings = (folder: string, archive: string, port: number): Settings => ({
  port: String(port),
  listen_addresses: "",
  unix_socket_directories: folder,
  archive_mode: "on",
  archive_command: `cp %p ${archive}/%f.tmp && mv ${archive}/%f.tmp ${archive}/%f`,
  restore_command: `cp ${archive}/%f %p`,
  fsync: "off",
  shared_buffers: "16MB",
  wal_keep_size: "0",
});

/** The last of equal settings in the file counts. */
async function configure(pgdata: string, settings: Settings): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  await appendFile(join(pgdata, "postgresql.conf"), lines.join(""));
}

/** Makes a data directory a standby, or one that recovers to a target and then is a primary again. */
export async function signalRecovery(pgdata: string, kind: "standby" | "recovery"): Promise<void> {
  await writeFile(join(pgdata, `${kind}.signal`), "");
}

function programPath(name: string): string {
  const folder = process.env["HOLDFAST_POSTGRES"] ?? "/usr/lib/postgresql/15/bin";
  const path = join(folder, name);
  if (!existsSync(path)) throw new Error(`no ${name} in ${folder}: install postgresql-15, or set HOLDFAST_POSTGRES`);
  return path;
}

interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

function serverUser(): Owner {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

async function give(path: string, { uid, gid }: Owner): Promise<void> {
  if (uid === undefined || gid === undefined) return;
  await chown(path, uid, gid);
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chown(join(entry.parentPath, entry.name), uid, gid);
  }
}
