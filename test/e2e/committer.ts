// A client of the database that commits one row after the other and remembers what the server acknowledged: only that was
// promised to it.
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { parseLsn } from "#postgres/lsn.ts";
import { read } from "./steps.ts";

export interface Acknowledged {
  readonly id: number;
  /** Where WAL had come to right after the commit: its record lies before. */
  readonly lsn: bigint;
}

export interface Committer {
  /** In the order of the commits; grows until the connection breaks or `stop` is called. */
  readonly acknowledged: readonly Acknowledged[];
  stop(): Promise<void>;
}

/** Belongs to the application, which writes it. */
export const ordersTable =
  "SET ROLE app; CREATE TABLE orders (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), note text)";

/** Connects as the application's user to the pod itself and inserts some fifty rows a second into orders. */
export async function startCommitting(namespace: string, cluster: string, pod: string): Promise<Committer> {
  const password = Buffer.from(await read(namespace, `secret/${cluster}-app`, "{.data.password}"), "base64").toString();
  const host = await read(namespace, `pod/${pod}`, "{.status.podIP}");
  const client = new Client({ host, user: "app", password, database: "app", connectionTimeoutMillis: 10_000 });
  // A server that is killed breaks the connection: that ends the writing and nothing else.
  client.on("error", () => undefined);
  await client.connect();
  const acknowledged: Acknowledged[] = [];
  const stopping = new AbortController();

  const write = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const inserted = await client.query<{ id: string }>("INSERT INTO orders (note) VALUES ('order') RETURNING id");
      const [now] = (await client.query<{ lsn: string }>("SELECT pg_current_wal_lsn() AS lsn")).rows;
      const lsn = parseLsn(now?.lsn ?? "");
      if (lsn !== undefined) acknowledged.push({ id: Number(inserted.rows[0]?.id), lsn });
      await sleep(20);
    }
  };
  const writing = write().catch(() => undefined);
  return {
    acknowledged,
    stop: async () => {
      stopping.abort();
      await writing;
      await client.end().catch(() => undefined);
    },
  };
}
