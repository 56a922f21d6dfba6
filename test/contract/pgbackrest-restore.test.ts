// Backups of a Stanza restored by the real pgBackRest, of the oldest version and of the image's, and started as CNPG does.
import { chown, lstat, mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { StanzaBackupOutcome } from "#engine/pgbackrest/backup.ts";
import { previewStanzaRecovery } from "#engine/pgbackrest/preview.ts";
import { cleanStanzaTarget, type StanzaRestoreTarget } from "#engine/pgbackrest/restore-target.ts";
import type { RepositoryCredentials, S3Repository } from "#repository/pgbackrest/config.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { signalRecovery } from "./backup-cluster.ts";
import { poll, signal } from "./backup-fixture.ts";
import { engineVersions, StanzaUnderTest } from "./pgbackrest-engine.ts";
import { usePgbackrest } from "./pgbackrest-fixture.ts";

const fixture = usePgbackrest();
const accounts = "SELECT count(*) FROM public.pgbench_accounts";

describe.each(engineVersions)("pgbackrest $version", (program) => {
  let stanza: StanzaUnderTest;

  beforeAll(async () => {
    const repositories = [fixture.newRepository(), fixture.newRepository({ passphrase: "a passphrase" })];
    stanza = await StanzaUnderTest.create(fixture, program, fixture.newStanza(repositories));
  });
  beforeEach(() => fixture.archiveWith(stanza.hand.archiveCommand));

  const table = async (name: string): Promise<string> => {
    const quoted = `public."${name} ${program.version}"`;
    await fixture.primary.query(`CREATE TABLE ${quoted} AS SELECT generate_series(1, 1000) AS row`);
    return quoted;
  };

  it("recovers to a time from the backup that was chosen for it, with every row of then and none of later", async () => {
    const backup = await stanza.backup();
    const before = await table("before");
    // The repository keeps whole seconds.
    await poll(async () => Date.now() > backup.stoppedAt.getTime() + 1_000);
    const targetTime = await fixture.primary.value(
      `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
    );
    await fixture.primary.query(`INSERT INTO ${before} SELECT generate_series(1, 500)`);
    await stanza.archiveAll();
    const later = await stanza.backup();

    const target = { targetTime };
    const preview = await previewStanzaRecovery({ pgbackrest: stanza.pgbackrest, target, signal });
    expect(preview).toMatchObject({ kind: "reachable", backup: { id: backup.label, repository: 1 } });
    const newest = await previewStanzaRecovery({ pgbackrest: stanza.pgbackrest, target: undefined, signal });
    expect(newest).toMatchObject({ kind: "reachable", backup: { id: later.label } });

    const pgdata = await stanza.restore(backup);
    const recovered = await stanza.recover(pgdata, {
      recovery_target_time: targetTime.replace("T", " ").replace("Z", "+00"),
    });
    expect(await recovered.value(`SELECT count(*) FROM ${before}`)).toBe("1000");
    expect(await recovered.value(accounts)).toBe("200000");
  });

  it("leaves no setting of a recovery behind, so that a standby made from it stays one", async () => {
    await fixture.primary.query("ALTER SYSTEM SET work_mem = '7MB'");
    // As a restore by hand to a target leaves it in the database, and so in its backups.
    await fixture.primary.query("ALTER SYSTEM SET recovery_target = 'immediate'");
    await fixture.primary.query("ALTER SYSTEM SET restore_command = 'false'");
    onTestFinished(async () => {
      for (const name of ["recovery_target", "restore_command"]) {
        await fixture.primary.query(`ALTER SYSTEM RESET ${name}`);
      }
    });
    const backup = await stanza.backup();
    await stanza.archiveAll();
    for (const timeline of ["latest", "current"] as const) {
      const pgdata = await stanza.restore(backup, { timeline });
      const names = await readdir(pgdata);
      expect(names).not.toContain("recovery.signal");
      expect(names).not.toContain("standby.signal");
      expect(names).toContain("backup_label");
      const settings = await readFile(join(pgdata, "postgresql.auto.conf"), "utf8");
      expect(settings).toContain("work_mem = '7MB'");
      expect(settings).not.toMatch(/recovery|restore_command|archive_command|pgBackRest/i);
      const { mode } = await lstat(join(pgdata, "postgresql.auto.conf"));
      expect(mode & 0o777).toBe(0o600);
    }

    const pgdata = await stanza.restore(backup, { timeline: "current" });
    await signalRecovery(pgdata, "standby");
    const { host, port } = fixture.primary.connection;
    const standby = await fixture.cluster.start(pgdata, {
      primary_conninfo: `host=${host} port=${port} user=postgres`,
      restore_command: stanza.hand.restoreCommand,
    });
    onTestFinished(() => standby.stop());
    await poll(async () => (await standby.value("SELECT count(*) FROM pg_stat_wal_receiver")) === "1");
    const row = await table("streamed");
    await poll(async () => (await standby.value(`SELECT to_regclass('${row}') IS NOT NULL`)) === "t");
    expect(await standby.value("SELECT pg_is_in_recovery()")).toBe("t");
  });

  it("restores a chain of incremental backups from an encrypted repository", async () => {
    const to2 = { repository: 2 };
    await stanza.backup({ request: { ...to2, type: "full" } });
    const first = await table("first");
    await stanza.backup({ request: { ...to2, type: "incr" } });
    const second = await table("second");
    const last = await stanza.backup({ request: to2 });
    expect(last).toMatchObject({ type: "incr", repository: 2 });
    await stanza.archiveAll();
    const recovered = await stanza.recover(await stanza.restore(last), { recovery_target: "immediate" });
    expect(await recovered.value(`SELECT count(*) FROM ${first}`)).toBe("1000");
    expect(await recovered.value(`SELECT count(*) FROM ${second}`)).toBe("1000");
    expect(await recovered.value(accounts)).toBe("200000");
  });

  it("goes on after it was killed in the middle, and takes nobody else's files for its own", async () => {
    const backup = await stanza.backup();
    await stanza.archiveAll();
    const pgdata = fixture.cluster.newPath("killed");
    const calls: string[] = [];
    const opened = await stanza.openFor(pgdata);
    const pgbackrest: Pgbackrest = {
      ...opened,
      run: (command, options) => {
        calls.push([command, ...(options.options ?? [])].join(" "));
        return opened.run(command, options);
      },
    };
    const kill = new AbortController();
    let written: StanzaRestoreTarget | undefined;
    const killed = stanza.restore(backup, {
      pgbackrest,
      pgdata,
      onPrepared: (target) => void (written = target),
      onProgress: () => kill.abort(new Error("killed")),
      signal: kill.signal,
    });
    await expect(killed).rejects.toMatchObject({ kind: "Cancelled" });
    expect(await readdir(pgdata)).toContain("backup.manifest");
    expect(await readdir(join(pgdata, "global"))).not.toContain("pg_control");

    await stanza.restore(backup, { pgbackrest, pgdata });
    const restores = calls.filter((call) => call.startsWith("restore"));
    expect(restores).toEqual([expect.stringContaining(" --no-delta"), expect.stringContaining(" --delta")]);
    await expect(stanza.restore(backup, { pgdata })).rejects.toMatchObject({ kind: "NotEmpty" });
    const recovered = await stanza.recover(pgdata);
    expect(await recovered.value(accounts)).toBe("200000");

    const again = fixture.cluster.newPath("given-up");
    await mkdir(again, { mode: 0o700 });
    await writeFile(join(again, "PG_VERSION"), "15\n");
    await expect(stanza.restore(backup, { pgdata: again })).rejects.toMatchObject({ kind: "NotEmpty" });
    expect(await readdir(again)).toEqual(["PG_VERSION"]);
    expect(written).toMatchObject({ pgdata });
    await cleanStanzaTarget({ pgdata: again, tablespaces: [] });
    expect(await readdir(again)).toEqual([]);
  });

  it("puts the wal where its volume is, and tablespaces where they were", async () => {
    const folder = fixture.cluster.newPath("tablespace");
    await fixture.cluster.execute("mkdir", [folder]);
    const space = `"fast ${program.version}"`;
    await fixture.primary.query(`CREATE TABLESPACE ${space} LOCATION '${folder}'`);
    const name = `public."kept ${program.version}"`;
    await fixture.primary.query(`CREATE TABLE ${name} TABLESPACE ${space} AS SELECT generate_series(1, 1000) AS row`);
    const backup = await stanza.backup();
    await fixture.primary.query(`DROP TABLE ${name}`);
    await fixture.primary.query(`DROP TABLESPACE ${space}`);
    await stanza.archiveAll();
    await expect(stanza.restore(backup)).rejects.toMatchObject({
      kind: "Unsupported",
      message: `backup ${backup.label} holds tablespaces that the cluster does not have: fast ${program.version}`,
      hint: "declare them in spec.tablespaces, under the same names",
    });

    const walDirectory = fixture.cluster.newPath("wal");
    const tablespaces = [`fast ${program.version}`];
    // What a try has left whose PGDATA was removed since.
    await fixture.cluster.execute("mkdir", [join(folder, "PG_15_left")]);
    const pgdata = await stanza.restore(backup, { walDirectory, tablespaces });
    expect(await readlink(join(pgdata, "pg_wal"))).toBe(walDirectory);
    expect(await readdir(walDirectory)).toEqual(["archive_status"]);
    const { uid, gid } = await stat(fixture.cluster.folder);
    for (const path of [walDirectory, join(walDirectory, "archive_status")]) await chown(path, uid, gid);
    const recovered = await stanza.recover(pgdata, { recovery_target: "immediate" });
    expect(await recovered.value(`SELECT count(*) FROM ${name}`)).toBe("1000");
    expect(await readlink(join(pgdata, "pg_wal"))).toBe(walDirectory);
  });
});

describe.each(["zst", "lz4"])("compressed by %s", (type) => {
  it("restores what it backed up", async () => {
    const program = engineVersions.at(-1)!;
    const over = { compression: { type } };
    const stanza = await StanzaUnderTest.create(fixture, program, fixture.newStanza(), over);
    const backup = await stanza.backup();
    await stanza.archiveAll();
    const recovered = await stanza.recover(await stanza.restore(backup));
    expect(await recovered.value(accounts)).toBe("200000");
  });
});

describe("a target that is no time", () => {
  const restorePoint = "before the mistake";
  let stanza: StanzaUnderTest;
  let backup: StanzaBackupOutcome;
  let later: StanzaBackupOutcome;
  let lsn: string;
  let xid: string;

  beforeAll(async () => {
    stanza = await StanzaUnderTest.create(fixture, engineVersions.at(-1)!, fixture.newStanza());
    backup = await stanza.backup();
    const { primary } = fixture;
    await primary.query("CREATE TABLE public.steps AS SELECT generate_series(1, 1000) AS row");
    lsn = await primary.value("SELECT pg_current_wal_lsn()");
    const inserted = "INSERT INTO public.steps SELECT generate_series(1, 200) RETURNING 1";
    xid = await primary.value(`WITH inserted AS (${inserted}) SELECT pg_current_xact_id()::text FROM inserted LIMIT 1`);
    await primary.query("INSERT INTO public.steps SELECT generate_series(1, 30)");
    await primary.query(`SELECT pg_create_restore_point('${restorePoint}')`);
    await primary.query("INSERT INTO public.steps SELECT generate_series(1, 4)");
    later = await stanza.backup();
    await stanza.archiveAll();
  });

  it.each([
    {
      of: "an LSN",
      target: () => ({ targetLSN: lsn }),
      settings: () => ({ recovery_target_lsn: lsn }),
      rows: "1000",
    },
    {
      of: "a transaction",
      target: () => ({ targetXID: xid, backupID: backup.label }),
      settings: () => ({ recovery_target_xid: xid }),
      rows: "1200",
    },
    {
      of: "a restore point",
      target: () => ({ targetName: restorePoint, backupID: backup.label }),
      settings: () => ({ recovery_target_name: restorePoint }),
      rows: "1230",
    },
  ])("is $of, and the rows are those of then", async ({ target, settings, rows }) => {
    const preview = await previewStanzaRecovery({ pgbackrest: stanza.pgbackrest, target: target(), signal });
    if (preview.kind !== "reachable") throw new Error(`not reachable: ${JSON.stringify(preview)}`);
    expect(preview.backup.id).toBe(backup.label);
    const pgdata = await stanza.restore({ label: preview.backup.id, repository: preview.backup.repository ?? 0 });
    const recovered = await stanza.recover(pgdata, settings());
    expect(await recovered.value("SELECT count(*) FROM public.steps")).toBe(rows);
  });

  it.each([
    { of: "a transaction", named: () => `transaction ${xid}`, target: () => ({ targetXID: xid }) },
    {
      of: "a restore point",
      named: () => `restore point "${restorePoint}"`,
      target: () => ({ targetName: restorePoint }),
    },
  ])("is $of, which cannot be placed without a backupID, and that is said", async ({ named, target }) => {
    const preview = await previewStanzaRecovery({ pgbackrest: stanza.pgbackrest, target: target(), signal });
    expect(preview).toMatchObject({
      backup: { id: later.label },
      why: expect.stringContaining(`it may be after ${named()}, which only a backupID can rule out`) as string,
    });
  });

  it("is refused when it is an LSN that the archive does not come to", async () => {
    const target = { targetLSN: "FFFF/0" };
    expect(await previewStanzaRecovery({ pgbackrest: stanza.pgbackrest, target, signal })).toMatchObject({
      reason: "TargetAfterArchive",
      message: expect.stringContaining("recovery target FFFF/0 is after the end of the archive") as string,
    });
  });
});

describe("a timeline that left before the backup", () => {
  it("is in the way of those only that would follow it", async () => {
    const stanza = await StanzaUnderTest.create(fixture, engineVersions.at(-1)!, fixture.newStanza());
    const backup = await stanza.backup();
    const history = join(fixture.cluster.folder, "00000002.history");
    await writeFile(history, "1\t0/1000000\tno recovery target specified\n", { mode: 0o644 });
    await stanza.hand.run("archive-push", history);
    await stanza.archiveAll();
    const latest = stanza.restore(backup, { timeline: "latest" });
    await expect(latest).rejects.toThrow(/target timeline 2 forked from backup timeline 1/);
    const pgdata = await stanza.restore(backup, { timeline: "current" });
    const recovered = await stanza.recover(pgdata, { recovery_target_timeline: "current" });
    expect(await recovered.value(accounts)).toBe("200000");
  });
});

describe("a repository that is away", () => {
  it("stops nothing that the other one can do alone, and is not taken for an empty one", async () => {
    const program = engineVersions.at(-1)!;
    const stanza = await StanzaUnderTest.create(fixture, program, fixture.newStanza());
    const backup = await stanza.backup();
    await stanza.archiveAll();
    const { config } = stanza.pgbackrest;
    const [first] = config.repositories as readonly [S3Repository];
    const [keys] = config.credentials.each as readonly [RepositoryCredentials];
    const pgdata = fixture.cluster.newPath("restored");
    const pgbackrest = await stanza.openFor(pgdata, {
      ...config,
      repositories: [
        { ...first, endpoint: "https://127.0.0.1:9" },
        { ...first, key: 2 },
      ],
      credentials: { kind: "repositories", each: [keys, keys] },
    });
    const preview = (backupID?: string) =>
      previewStanzaRecovery({
        pgbackrest,
        target: backupID === undefined ? undefined : { backupID },
        infoDeadlineMs: 3_000,
        signal,
      });
    expect(await preview()).toMatchObject({ kind: "reachable", backup: { id: backup.label, repository: 2 } });
    await expect(preview("20200101-000000F")).rejects.toMatchObject({
      name: "StoreError",
      transient: true,
      message: expect.stringMatching(/^repository 1 of stanza main-\d+: /),
    });
    await expect(stanza.restore({ label: "20200101-000000F", repository: 2 }, { pgbackrest })).rejects.toMatchObject({
      kind: "NotUsable",
      message: "repository 2 holds no backup.manifest of backup 20200101-000000F",
    });
    await stanza.restore({ label: backup.label, repository: 2 }, { pgbackrest, pgdata });
    const recovered = await stanza.recover(pgdata);
    expect(await recovered.value(accounts)).toBe("200000");
  });
});
