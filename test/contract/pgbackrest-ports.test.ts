// The sidecar's Backup and Restore calls for a Stanza, with the real pgBackRest of the product's image: what CNPG is
// answered, and what happens around the engine when something is in the way.
import { readdir } from "node:fs/promises";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decodeBackup } from "#cnpg/backup.ts";
import { decodeCluster } from "#cnpg/cluster.ts";
import type { BackupOutcome } from "#cnpgi/backup.ts";
import { statusOf } from "#cnpgi/status-code.ts";
import { MutexBusyError, type Mutex } from "#kube/mutex.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import type { RunningRestore } from "../../src/cmd/instance/patiently.ts";
import { createStanzaBackups } from "../../src/cmd/instance/stanza-backup.ts";
import { createStanzaRestorePort, requireEmptyStanza } from "../../src/cmd/instance/stanza-restore.ts";
import type { StanzaSource } from "../../src/cmd/instance/stanzas.ts";
import { logger, signal } from "./backup-fixture.ts";
import { engineVersions, StanzaUnderTest } from "./pgbackrest-engine.ts";
import { usePgbackrest } from "./pgbackrest-fixture.ts";

const fixture = usePgbackrest();
const program = engineVersions.at(-1)!;
const store = { kind: "Stanza", name: "main" } as const;
let stanza: StanzaUnderTest;

beforeAll(async () => {
  stanza = await StanzaUnderTest.create(fixture, program, fixture.newStanza());
});
beforeEach(() => fixture.archiveWith(stanza.hand.archiveCommand));

const sourceOf = (pgbackrest: Pgbackrest): StanzaSource => {
  const opened = { store: pgbackrest, config: pgbackrest.config, generation: 1, superseded: signal };
  const get = async () => opened;
  return { get, reload: get, invalidate: () => {}, forget: () => {}, close: () => {} };
};

const ours = { name: "holdfast.dev", isWALArchiver: true, parameters: { stanza: "main" } };
const clusterWith = (spec: object) =>
  decodeCluster({ metadata: { name: "pg", namespace: "db", uid: "7a1e2d9c" }, spec });

describe("the Backup call", () => {
  const free: Mutex = { hold: ({ signal: limited }, work) => work(limited) };
  const call = (
    parameters: Readonly<Record<string, string>>,
    { mutex = free, plugins = [ours] as object[], opened = stanza.pgbackrest } = {},
  ): { readonly backups: ReturnType<typeof createStanzaBackups>; readonly outcome: Promise<BackupOutcome> } => {
    const { pgdata, connection } = fixture.primary;
    const backups = createStanzaBackups({
      surroundings: {
        pod: "pg-1",
        namespace: "db",
        cluster: "pg",
        pgdata,
        socketDirectory: connection.host,
        port: connection.port ?? 5432,
        scratch: fixture.cluster.folder,
      },
      stanzas: sourceOf(opened),
      mutexOf: () => mutex,
      logger,
    });
    const metadata = { name: "on-demand", namespace: "db", labels: { "holdfast.dev/backup": "asked-for" } };
    const backup = decodeBackup({ metadata, spec: { cluster: { name: "pg" }, method: "plugin" } });
    const order = { cluster: clusterWith({ plugins }), backup, store, parameters };
    return { backups, outcome: backups.backup(order, signal) };
  };
  const refused = (outcome: Promise<unknown>) =>
    outcome.then(
      () => undefined,
      (error: unknown) => {
        const { code, message } = statusOf(error);
        return { code, message };
      },
    );

  it("answers with what the repository says, under the name of our Backup, and holds the Lease meanwhile", async () => {
    const purposes: string[] = [];
    const mutex: Mutex = {
      hold: ({ purpose, signal: limited }, work) => {
        purposes.push(purpose);
        return work(limited);
      },
    };
    const { outcome, backups } = call({ backupType: "full" }, { mutex });
    expect(backups.current()).toMatchObject({ name: "on-demand" });
    const answer = await outcome;
    const [listed] = (await stanza.info()).backups.slice(-1);
    expect(answer).toMatchObject({
      backupId: listed?.label,
      backupName: "asked-for",
      instanceId: "pg-1",
      beginWal: listed?.beginWal,
      beginLsn: expect.stringMatching(/^\d+\/[0-9A-F]+$/),
      metadata: {
        type: "full",
        typeReason: "a full backup was asked for",
        repository: "1",
        timeline: "1",
        systemID: await fixture.primary.value("SELECT system_identifier FROM pg_control_system()"),
        sizeBytes: String(listed?.sizeBytes),
      },
    });
    expect(listed?.annotations).toEqual({ "holdfast-backup": "asked-for", "holdfast-cluster": "db/pg/7a1e2d9c" });
    expect(purposes).toEqual(["backup on-demand"]);
    expect(backups.current()).toBeUndefined();
  });

  it("refuses what it does not understand, and says who is in the way", async () => {
    expect(await refused(call({ selectedRepository: "2" }).outcome)).toEqual({
      code: "INVALID_ARGUMENT",
      message: 'pluginConfiguration.parameters.selectedRepository: the Stanza has no repository "2" (write 1)',
    });
    const lease = { namespace: "db", name: "holdfast-stanza-main" };
    const mutex: Mutex = { hold: async () => Promise.reject(new MutexBusyError(lease, "holdfast-7d9f", "expire")) };
    expect(await refused(call({}, { mutex }).outcome)).toEqual({
      code: "RESOURCE_EXHAUSTED",
      message: "one works on a stanza at a time: holdfast-7d9f holds the Lease holdfast-stanza-main for expire",
    });
  });

  it("says what is wrong with the repository in words that name it, and how to mend it", async () => {
    const { config } = stanza.pgbackrest;
    const [repository] = config.repositories;
    if (repository?.type !== "s3") throw new Error("not in S3");
    const answerOf = async (over: Partial<StanzaConfig>) => {
      const opened = await stanza.openFor(fixture.primary.pgdata, { ...config, ...over });
      return await refused(call({}, { opened }).outcome);
    };
    const told = async (over: Partial<StanzaConfig>, words: RegExp): Promise<void> => {
      const message = expect.stringMatching(words) as string;
      expect(await answerOf(over)).toEqual({ code: "UNAVAILABLE", message });
    };
    await told(
      { repositories: [{ ...repository, bucket: "missing" }] },
      /^repository 1 \(s3:\/\/missing\/.*\) of stanza main-\d+: .*NoSuchBucket \(.*bucket/,
    );
    const [keys] = config.credentials.each;
    const where = `^repository 1 \\(s3://${repository.bucket}${repository.path}\\) of stanza ${config.stanza}: `;
    await told(
      { credentials: { kind: "repositories", each: [{ ...keys, passphrase: "wrong" }] } },
      new RegExp(`${where}.* it cannot be decrypted.*\\(compare cipherConfig.encryptionPass`),
    );
    await told(
      { credentials: { kind: "repositories", each: [{ ...keys, secretAccessKey: "wrong" }] } },
      new RegExp(`${where}.*SignatureDoesNotMatch \\(.*`),
    );
  });

  it("can be cancelled by its name", async () => {
    const mutex: Mutex = {
      hold: ({ signal: limited }) =>
        new Promise((_, reject) => limited.addEventListener("abort", () => reject(limited.reason as Error))),
    };
    const { outcome, backups } = call({}, { mutex });
    backups.cancel("another");
    backups.cancel("on-demand");
    expect(await refused(outcome)).toMatchObject({ code: "CANCELLED", message: "the backup was cancelled" });
    expect(backups.failures()).toBe(1);
  });
});

describe("the Restore call", () => {
  const portFor = (pgbackrest: Pgbackrest, pgdata: string) => {
    const told: RunningRestore[] = [];
    const deps = { stores: sourceOf(pgbackrest), tell: (one: RunningRestore) => void told.push(one), logger };
    const requireEmpty = requireEmptyStanza(deps);
    const port = createStanzaRestorePort({
      ...deps,
      pgdata,
      requireEmpty: (destination, limited) =>
        destination.kind === "Stanza" ? requireEmpty(destination, limited) : Promise.reject(new Error("no Stanza")),
    });
    return { port, told };
  };
  const order = {
    cluster: clusterWith({}),
    source: store,
    destination: undefined,
    recoveryTarget: undefined,
    checkEmpty: undefined,
    skipEmptyCheck: false,
  };
  /** Breaks the first restore off in the middle, as an outage does. */
  const brokenOnce = (opened: Pgbackrest): { readonly pgbackrest: Pgbackrest; readonly restores: string[][] } => {
    const restores: string[][] = [];
    const run: Pgbackrest["run"] = async (command, options) => {
      if (command !== "restore") return opened.run(command, options);
      restores.push([...(options.options ?? [])]);
      if (restores.length > 1) return opened.run(command, options);
      const broken = new AbortController();
      const onLine = (line: string): void => void (line.includes("DETAIL: restore file") && broken.abort());
      await opened.run(command, { ...options, signal: broken.signal, onLine }).catch(() => {});
      throw new PgbackrestError("Unreachable", "pgbackrest restore: ERROR: [049]: unable to connect");
    };
    return { pgbackrest: { ...opened, run }, restores };
  };

  it("waits for a repository that went away in the middle, and goes on with what is there", async () => {
    const backup = await stanza.backup();
    await stanza.archiveAll();
    const pgdata = fixture.cluster.newPath("patient");
    const { pgbackrest, restores } = brokenOnce(await stanza.openFor(pgdata));
    const { port, told } = portFor(pgbackrest, pgdata);
    await port.restore(order, signal);
    expect(restores).toEqual([expect.arrayContaining(["--no-delta"]), expect.arrayContaining(["--delta"])]);
    const waited = told.find(({ phase }) => phase === "Waiting");
    expect(waited?.message).toMatch(/^restoring backup \S+ failed: pgbackrest restore: ERROR: \[049\]/);
    expect(told.at(-1)).toEqual({ phase: "Replaying", backupId: backup.label });
    const recovered = await stanza.recover(pgdata);
    expect(await recovered.value("SELECT count(*) FROM public.pgbench_accounts")).toBe("200000");
  });

  it("leaves the directory empty when it is given up", async () => {
    const pgdata = fixture.cluster.newPath("given-up");
    const { pgbackrest } = brokenOnce(await stanza.openFor(pgdata));
    const giveUp = new AbortController();
    const { port, told } = portFor({ ...pgbackrest }, pgdata);
    const tell = told.push.bind(told);
    told.push = (...more) => {
      if (more.some(({ phase }) => phase === "Waiting")) giveUp.abort(new Error("given up"));
      return tell(...more);
    };
    await expect(port.restore(order, giveUp.signal)).rejects.toThrow("given up");
    expect(await readdir(pgdata)).toEqual([]);
    expect(told.at(-1)).toMatchObject({ phase: "Failed" });
  });

  it("wants a stanza of its own for the new cluster", async () => {
    await stanza.backup();
    const pgdata = fixture.cluster.newPath("own");
    const { port } = portFor(await stanza.openFor(pgdata), pgdata);
    const same = { ...order, destination: store };
    await expect(port.restore(same, signal)).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: expect.stringMatching(
        /^Expected empty archive: stanza main-\d+ of Stanza main already holds the WAL of cluster db\/pg; give the new/,
      ),
    });
    await port.restore({ ...same, skipEmptyCheck: true }, signal);
    expect(await readdir(pgdata)).toContain("PG_VERSION");

    const unused = fixture.stanzaConfig(fixture.newStanza());
    const { stores, tell } = { stores: sourceOf(await stanza.openFor(pgdata, unused)), tell: () => {} };
    await requireEmptyStanza({ stores, tell, logger })(store, signal);
  });
});
