// One session with a PostgreSQL server, by default the local one over its unix socket. Values come back as the
// server's text, so nothing is rounded or shifted on the way. The only file that loads the driver.
import { once } from "node:events";
import { Client, DatabaseError } from "pg";
import { withDeadline } from "#std/abort.ts";

export const postgresErrorKinds = [
  "Unreachable", // no server at that socket or address, or it is starting up or shutting down
  "Refused", // the server answered with an error; sqlState tells which
  "SessionLost", // the connection ended while it was in use
  "TimedOut", // no answer within the query's limit
] as const;
export type PostgresErrorKind = (typeof postgresErrorKinds)[number];

export class PostgresError extends Error {
  override readonly name = "PostgresError";
  readonly kind: PostgresErrorKind;
  /** Five characters, see PostgreSQL's appendix A; only where the server itself answered. */
  readonly sqlState: string | undefined;
  readonly hint: string | undefined;

  constructor(kind: PostgresErrorKind, message: string, options: PostgresErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.sqlState = options.sqlState;
    this.hint = options.hint;
  }
}

interface PostgresErrorOptions {
  readonly cause?: unknown;
  readonly sqlState?: string | undefined;
  readonly hint?: string | undefined;
}

export interface ConnectionOptions {
  /** A directory with the server's socket (PGHOST of a CNPG pod), or a host name. */
  readonly host: string;
  readonly port?: number;
  readonly user?: string;
  readonly database?: string;
  readonly password?: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string;
}

export interface QueryOptions {
  readonly parameters?: readonly string[];
  /** The query is cancelled at the server after this long; default 30 s. */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

/** One row: column name to the value's text, null for NULL. */
export type Row = Readonly<Record<string, string | null>>;

export interface Session {
  /** Aborts when the connection ends without `close`: the reason is a PostgresError "SessionLost". */
  readonly lost: AbortSignal;
  /** Runs one statement after those before it. When its signal aborts, the statement is cancelled at the server too. */
  query(text: string, options: QueryOptions): Promise<readonly Row[]>;
  /** Ends the session; what it held at the server (a running backup) is given up. Never throws. */
  close(): Promise<void>;
}

const connectTimeoutMs = 10_000;
const queryTimeoutMs = 30_000;
/** How long a cancelled statement may take to stop before its connection is cut. */
const cancelGraceMs = 3_000;

/**
 * What the server's own defaults must not change: its time limits would end a session that waits for a long copy, and
 * the last one makes it notice within seconds that we are gone, even inside a long checkpoint.
 */
const sessionSettings = [
  "statement_timeout=0",
  "lock_timeout=0",
  "idle_session_timeout=0",
  "client_connection_check_interval=10s",
  "search_path=pg_catalog",
  "TimeZone=UTC",
  "DateStyle=ISO",
];

/** Opens a session; throws PostgresError "Unreachable" or "Refused". */
export async function connectPostgres(options: ConnectionOptions, signal: AbortSignal): Promise<Session> {
  signal.throwIfAborted();
  const client = newClient(options);
  const lost = new AbortController();
  let closing = false;
  const lose = (cause?: unknown): void => {
    if (closing || lost.signal.aborted) return;
    lost.abort(new PostgresError("SessionLost", `the session with postgresql at ${options.host} ended`, { cause }));
  };
  client.on("error", lose);
  client.on("end", () => lose());
  await open(client, options, signal);
  let turn: Promise<unknown> = Promise.resolve();
  return {
    lost: lost.signal,
    query: async (text, query) => {
      const rows = turn.then(() => runQuery({ client, options, lost: lost.signal }, text, query));
      turn = rows.catch(() => {});
      return await rows;
    },
    close: async () => {
      closing = true;
      await endClient(client);
    },
  };
}

interface OpenSession {
  readonly client: Client;
  readonly options: ConnectionOptions;
  readonly lost: AbortSignal;
}

function newClient(options: ConnectionOptions): Client {
  return new Client({
    host: options.host,
    port: options.port ?? 5432,
    user: options.user ?? "postgres",
    database: options.database ?? "postgres",
    password: options.password,
    ssl: false,
    application_name: options.applicationName ?? "holdfast",
    connectionTimeoutMillis: connectTimeoutMs,
    options: sessionSettings.map((setting) => `-c ${setting}`).join(" "),
    types: { getTypeParser: () => (value: string | Buffer) => value.toString() },
  });
}

async function open(client: Client, options: ConnectionOptions, signal: AbortSignal): Promise<void> {
  const cut = (): void => void endClient(client);
  signal.addEventListener("abort", cut, { once: true });
  try {
    await client.connect();
  } catch (error) {
    await endClient(client);
    signal.throwIfAborted();
    throw translate(error, `cannot connect to postgresql at ${options.host}`, "Unreachable");
  } finally {
    signal.removeEventListener("abort", cut);
  }
}

async function runQuery(session: OpenSession, text: string, query: QueryOptions): Promise<readonly Row[]> {
  query.signal.throwIfAborted();
  session.lost.throwIfAborted();
  const timeoutMs = query.timeoutMs ?? queryTimeoutMs;
  const stop = withDeadline(query.signal, timeoutMs);
  const running = session.client.query<Record<string, string | null>>(text, [...(query.parameters ?? [])]);
  const onStop = (): void => void cancel(session, running);
  stop.addEventListener("abort", onStop, { once: true });
  try {
    return (await running).rows;
  } catch (error) {
    query.signal.throwIfAborted();
    if (stop.aborted) {
      throw new PostgresError("TimedOut", `no answer within ${timeoutMs / 1000} s to ${firstWords(text)}`, {
        cause: error,
      });
    }
    session.lost.throwIfAborted();
    throw translate(error, `${firstWords(text)} failed`, "SessionLost");
  } finally {
    stop.removeEventListener("abort", onStop);
  }
}

/** Asks the server to stop the running statement, and cuts the connection when that does not help. */
async function cancel(session: OpenSession, running: Promise<unknown>): Promise<void> {
  const settled = running.then(
    () => true,
    () => true,
  );
  const canceller = newClient(session.options);
  canceller.on("error", () => {});
  try {
    await canceller.connect();
    await canceller.query("SELECT pg_cancel_backend($1)", [String(backendPid(session.client))]);
  } catch {
    // The server cannot be reached any more, so the connection is cut below.
  }
  await endClient(canceller);
  const stopped = await Promise.race([settled, waitMs(cancelGraceMs)]);
  if (stopped !== true) await endClient(session.client);
}

/** pg keeps the backend's process id on the client, but not in its types. */
const backendPid = (client: Client): number => (client as unknown as { readonly processID: number }).processID;

async function waitMs(ms: number): Promise<void> {
  const wait = AbortSignal.timeout(ms);
  if (!wait.aborted) await once(wait, "abort");
}

/** Closes a client whatever its state; a server that does not answer the goodbye is cut off. */
async function endClient(client: Client): Promise<void> {
  const stream = (client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }).connection
    .stream;
  const ended = client.end().catch(() => {});
  await Promise.race([ended, waitMs(1_000)]);
  stream.destroy();
}

function translate(error: unknown, attempt: string, otherwise: PostgresErrorKind): PostgresError {
  const text = error instanceof Error ? error.message : String(error);
  if (!(error instanceof DatabaseError)) return new PostgresError(otherwise, `${attempt}: ${text}`, { cause: error });
  // Class 57P: the server is starting, stopping, or ended this session.
  const starting = error.code === "57P03" || error.code === "57P01" || error.code === "57P02";
  return new PostgresError(starting ? otherwise : "Refused", `${attempt}: ${text}`, {
    cause: error,
    sqlState: error.code,
    hint: error.hint,
  });
}

/** "SELECT pg_backup_start($1, $2)": enough of a statement to know it by; parameters are never shown. */
const firstWords = (text: string): string => text.trim().split(/\s+/).join(" ").slice(0, 60);
