// Base backups of a Stanza by the real pgBackRest, of the oldest version and of the image's, into MinIO behind TLS.
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { StanzaBackupProgress } from "#engine/pgbackrest/backup.ts";
import { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import { openPgbackrestRepository } from "#repository/pgbackrest/repository.ts";
import { signalRecovery } from "./backup-cluster.ts";
import { poll, signal } from "./backup-fixture.ts";
import { childrenNamed } from "./children.ts";
import { engineVersions, StanzaUnderTest } from "./pgbackrest-engine.ts";
import { usePgbackrest } from "./pgbackrest-fixture.ts";

const fixture = usePgbackrest();

describe.each(engineVersions)("pgbackrest $version", (program) => {
  let stanza: StanzaUnderTest;

  beforeAll(async () => {
    const repositories = [fixture.newRepository(), fixture.newRepository({ passphrase: "a passphrase" })];
    stanza = await StanzaUnderTest.create(fixture, program, fixture.newStanza(repositories));
  });
  beforeEach(() => fixture.archiveWith(stanza.hand.archiveCommand));

  const labels = async (): Promise<readonly string[]> => (await stanza.info()).backups.map(({ label }) => label);
  const sessions = (): Promise<string> =>
    fixture.primary.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgBackRest%'");

  it("begins with a full one, continues it, and tells each with its reason", async () => {
    const told: StanzaBackupProgress[] = [];
    const full = await stanza.backup({ onProgress: (progress) => told.push(progress) });
    const size = Number(await fixture.primary.value("SELECT sum(pg_tablespace_size(oid)) FROM pg_tablespace"));
    expect(full).toMatchObject({
      label: expect.stringMatching(/^\d{8}-\d{6}F$/),
      type: "full",
      typeReason: "repository 1 holds no full backup yet",
      prior: undefined,
      repository: 1,
      timeline: 1,
      systemId: await fixture.primary.value("SELECT system_identifier FROM pg_control_system()"),
    });
    expect(Math.abs(full.sizeBytes! - size)).toBeLessThan(size / 10);
    expect(full.stoppedAt.getTime()).toBeGreaterThanOrEqual(full.startedAt.getTime());
    expect(full.endLsn).toBeGreaterThan(full.beginLsn);
    const last = told.at(-1)!;
    expect(last.bytesDone).toBe(last.bytesTotal);
    expect(Math.abs(last.bytesTotal - size)).toBeLessThan(size / 10);
    const done = told.map(({ bytesDone }) => bytesDone);
    expect(done).toEqual(done.toSorted((a, b) => a - b));

    const incremental = await stanza.backup();
    expect(incremental).toMatchObject({ type: "incr", prior: full.label });
    expect(incremental.typeReason).toBe(`it is backup 1 of at most 30 on the full one ${full.label}`);
    expect(await stanza.backup({ request: { repository: 1, type: "diff" } })).toMatchObject({
      type: "diff",
      prior: full.label,
      typeReason: "a differential backup was asked for",
    });
    expect(await stanza.backup({ request: { repository: 1, type: "incr" } })).toMatchObject({ type: "incr" });
  });

  it("goes to the repository that was selected, which begins with a full one of its own", async () => {
    const before = await labels();
    const outcome = await stanza.backup({ name: "weekly", request: { repository: 2, type: "incr" } });
    expect(outcome).toMatchObject({ type: "full", repository: 2, prior: undefined });
    expect(outcome.typeReason).toMatch(
      /repository 2 holds no full backup yet, and an incremental one without its full/,
    );
    const made = (await stanza.info()).backups.filter(({ label }) => !before.includes(label));
    expect(made).toMatchObject([{ repositoryKey: 2, annotations: { "holdfast-backup": "weekly" } }]);
    const catalog = await openPgbackrestRepository(stanza.pgbackrest).catalog(stanza.pgbackrest.config.stanza, {
      signal,
    });
    expect(catalog.backups.find(({ id }) => id === outcome.label)).toMatchObject({ name: "weekly", status: "done" });
  });

  it("leaves nothing that counts when it is cancelled in the middle, and the next one works", async () => {
    const before = await labels();
    const cancel = new AbortController();
    const cancelled = stanza.backup({
      request: { repository: 1, type: "full" },
      onProgress: () => cancel.abort(new Error("the backup was cancelled")),
      signal: cancel.signal,
    });
    await expect(cancelled).rejects.toMatchObject({ kind: "Cancelled", message: "the backup was cancelled" });
    expect(await labels()).toEqual(before);
    await poll(async () => (await sessions()) === "0");
    expect(await stanza.backup({ request: { repository: 1, type: "full" } })).toMatchObject({ type: "full" });
  });

  it("says that the program was killed, leaves nothing that counts, and no lock holds up the next one", async () => {
    const before = await labels();
    const killed = stanza.backup({
      request: { repository: 1, type: "full" },
      onProgress: () =>
        void childrenNamed("backup").then((pids) => pids.forEach((pid) => process.kill(pid, "SIGKILL"))),
    });
    await expect(killed).rejects.toMatchObject({ kind: "Store", message: "pgbackrest backup was ended by SIGKILL" });
    expect(await labels()).toEqual(before);
    expect(await stanza.backup({ request: { repository: 1, type: "full" } })).toMatchObject({ type: "full" });
  });

  it.each(["just before", "just after"])("marks it when it is cancelled %s the program ends", async (moment) => {
    const before = await labels();
    const cancel = new AbortController();
    const { pgbackrest } = stanza;
    const run: typeof pgbackrest.run = async (command, options) => {
      const result = await pgbackrest.run(command, options);
      if (command !== "backup") return result;
      cancel.abort(new Error("the backup was cancelled"));
      if (moment === "just after") return result;
      throw new PgbackrestError("Cancelled", "pgbackrest backup was cancelled");
    };
    const cancelled = stanza.backup({
      pgbackrest: { ...pgbackrest, run },
      request: { repository: 1, type: "full" },
      signal: cancel.signal,
    });
    await expect(cancelled).rejects.toMatchObject({ kind: "Cancelled", message: "the backup was cancelled" });
    const [made] = (await labels()).filter((label) => !before.includes(label));
    const catalog = await openPgbackrestRepository(pgbackrest).catalog(pgbackrest.config.stanza, { signal });
    expect(catalog.backups.find(({ id }) => id === made)).toMatchObject({
      status: "failed",
      error: expect.stringContaining("it was cancelled as it ended"),
    });
  });

  it("survives the server's limits on idle sessions and statements", async () => {
    await fixture.primary.query("ALTER ROLE postgres SET idle_session_timeout = '20ms'");
    await fixture.primary.query("ALTER ROLE postgres SET statement_timeout = '20ms'");
    onTestFinished(async () => void (await fixture.primary.query("ALTER ROLE postgres RESET ALL")));
    expect(await stanza.backup({ request: { repository: 1, type: "full" } })).toMatchObject({ type: "full" });
  });

  it("refuses a standby with the mend", async () => {
    const pgdata = fixture.cluster.newPath("standby");
    const { host, port } = fixture.primary.connection;
    const place = ["-h", host, "-p", String(port), "-U", "postgres"];
    await fixture.cluster.program("pg_basebackup", [...place, "-D", pgdata, "-c", "fast"]);
    await signalRecovery(pgdata, "standby");
    const standby = await fixture.cluster.start(pgdata, {
      primary_conninfo: `host=${host} port=${port} user=postgres`,
    });
    onTestFinished(() => standby.stop());
    const before = await labels();
    await expect(stanza.backup({ connection: standby.connection })).rejects.toMatchObject({
      kind: "Unsupported",
      message: "this instance is a standby, and a pgBackRest backup is made on the primary",
      hint: "set spec.target: primary",
    });
    expect(await labels()).toEqual(before);
  });

  it("fails when its wal does not come, and says so in the repository", async () => {
    await fixture.archiveWith("false");
    const before = await labels();
    const told: StanzaBackupProgress[] = [];
    const lost = stanza.backup({ walDeadlineMs: 1_500, onProgress: (progress) => told.push(progress) });
    await expect(lost).rejects.toMatchObject({
      kind: "WalMissing",
      message: expect.stringMatching(/wal that the backup needs did not reach the archive within 2 s: [0-9A-F]{24}/),
    });
    expect(told.at(-1)?.waitingForSegment).toMatch(/^[0-9A-F]{24}$/);
    const [made] = (await labels()).filter((label) => !before.includes(label));
    const catalog = await openPgbackrestRepository(stanza.pgbackrest).catalog(stanza.pgbackrest.config.stanza, {
      signal,
    });
    expect(catalog.backups.find(({ id }) => id === made)).toMatchObject({
      status: "failed",
      error: expect.stringContaining("wal that the backup needs did not reach the archive"),
    });
  });
});
