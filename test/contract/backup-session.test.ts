// Sessions with a real PostgreSQL server: what they give back, how they end, and what they leave at the server.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connectPostgres, type Session } from "#postgres/connection.ts";
import { openTestCluster, type Server, type TestCluster } from "./backup-cluster.ts";

const { signal } = new AbortController();

let cluster: TestCluster;
let server: Server;

beforeAll(async () => {
  cluster = await openTestCluster();
  server = await cluster.create("server", { statement_timeout: "50ms", idle_session_timeout: "50ms" });
});
afterAll(() => cluster.end());

async function connect(): Promise<Session> {
  const session = await connectPostgres({ ...server.connection, applicationName: "under-test" }, signal);
  onTestFinished(() => session.close());
  return session;
}

const running = (): Promise<string> =>
  server.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'under-test' AND state = 'active'");

async function poll(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await condition());) {
    if (Date.now() > deadline) throw new Error("the condition did not come true");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("connectPostgres", () => {
  it("gives values as the server's text", async () => {
    const session = await connect();
    const rows = await session.query("SELECT 9007199254740993 AS big, true AS yes, NULL AS none, $1::pg_lsn AS lsn", {
      parameters: ["0/3000028"],
      signal,
    });
    expect(rows).toEqual([{ big: "9007199254740993", yes: "t", none: null, lsn: "0/3000028" }]);
  });

  it("runs statements one after the other", async () => {
    const session = await connect();
    const slow = session.query("SELECT pg_sleep(0.1), clock_timestamp() AS at", { signal });
    const fast = session.query("SELECT clock_timestamp() AS at", { signal });
    const [[first], [second]] = await Promise.all([slow, fast]);
    expect(String(first!["at"]) < String(second!["at"])).toBe(true);
  });

  it("lives on under the server's own time limits", async () => {
    const session = await connect();
    await session.query("SELECT pg_sleep(0.2)", { signal });
    // Time passes while this session is idle.
    await server.query("SELECT pg_sleep(0.2)");
    expect(await session.query("SELECT 1 AS one", { signal })).toEqual([{ one: "1" }]);
  });

  it("says that there is no server", async () => {
    await expect(connectPostgres({ host: cluster.folder, port: 1 }, signal)).rejects.toMatchObject({
      kind: "Unreachable",
      message: expect.stringContaining(`cannot connect to postgresql at ${cluster.folder}`),
    });
  });

  it("says what the server refused", async () => {
    await expect(connectPostgres({ ...server.connection, database: "absent" }, signal)).rejects.toMatchObject({
      kind: "Refused",
      sqlState: "3D000",
    });
    const session = await connect();
    await expect(session.query("SELECT 1/0", { signal })).rejects.toMatchObject({
      kind: "Refused",
      sqlState: "22012",
      message: "SELECT 1/0 failed: division by zero",
    });
    expect(await session.query("SELECT 1 AS one", { signal })).toEqual([{ one: "1" }]);
  });

  it("cancels a statement at the server at its time limit", async () => {
    const session = await connect();
    await expect(session.query("SELECT pg_sleep(60)", { timeoutMs: 100, signal })).rejects.toMatchObject({
      kind: "TimedOut",
      message: "no answer within 0.1 s to SELECT pg_sleep(60)",
    });
    await poll(async () => (await running()) === "0");
    expect(await session.query("SELECT 1 AS one", { signal })).toEqual([{ one: "1" }]);
  });

  it("cancels a statement at the server when its signal aborts", async () => {
    const session = await connect();
    const cancellation = new AbortController();
    const query = session.query("SELECT pg_sleep(60)", { signal: cancellation.signal });
    await poll(async () => (await running()) === "1");
    const reason = new Error("no longer wanted");
    cancellation.abort(reason);
    await expect(query).rejects.toBe(reason);
    await poll(async () => (await running()) === "0");
  });

  it("tells at once when the server ends it", async () => {
    const session = await connect();
    await server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'under-test'");
    await poll(async () => session.lost.aborted);
    expect(session.lost.reason).toMatchObject({ kind: "SessionLost" });
    await expect(session.query("SELECT 1", { signal })).rejects.toMatchObject({ kind: "SessionLost" });
  });

  it("is not lost when it is closed", async () => {
    const session = await connect();
    await session.close();
    await poll(
      async () =>
        (await server.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'under-test'")) === "0",
    );
    expect(session.lost.aborted).toBe(false);
  });

  it("does not connect once its signal has aborted", async () => {
    const reason = new Error("too late");
    await expect(connectPostgres(server.connection, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
