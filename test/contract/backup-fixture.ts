// What the contract tests of backup and restore share: a MinIO and a PostgreSQL primary for a test file, and for each test a
// store of its own that the primary's WAL is copied to.
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, onTestFinished } from "vitest";
import type { BackupOutcome } from "#engine/backup/record.ts";
import { runBackup, type BackupOptions } from "#engine/backup/run.ts";
import { previewRecovery, type RecoveryPreview } from "#engine/restore/preview.ts";
import { runRestore, type RestoreOptions, type RestoreOutcome } from "#engine/restore/run.ts";
import type { RecoveryTargetBlock } from "#postgres/recovery-target.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import type { Repository } from "#repository/repository.ts";
import type { StoreConfig } from "#store/config.ts";
import { openStore } from "#store/open.ts";
import type { ObjectStore } from "#store/store.ts";
import { openTestCluster, signalRecovery, type Server, type Settings, type TestCluster } from "./backup-cluster.ts";
import { startMinio, type Minio } from "./minio.ts";

export const { signal } = new AbortController();
export const logger = pino({ level: "silent" });
/** The server's name in every store of these tests. */
const server = "pg";

export class BackupFixture {
  minio!: Minio;
  cluster!: TestCluster;
  primary!: Server;
  config!: StoreConfig;
  store!: ObjectStore;

  get repository(): Repository {
    return openBarmanRepository(this.store);
  }

  /** Options for psql and pgbench to reach the primary. */
  get place(): readonly string[] {
    return ["-h", this.cluster.folder, "-p", String(this.primary.connection.port), "-U", "postgres", "postgres"];
  }

  backup(from: Server, over: Partial<BackupOptions> = {}): Promise<BackupOutcome> {
    const { store } = this;
    const { connection, pgdata } = from;
    const common = { immediateCheckpoint: true, walDeadlineMs: 30_000, logger, signal };
    return runBackup({ connection, pgdata, store, server, ...common, ...over });
  }

  async records(): Promise<readonly BackupRecord[]> {
    return (await this.repository.catalog(server, { signal })).backups;
  }

  async record(id: string): Promise<BackupRecord> {
    const found = (await this.records()).find((backup) => backup.id === id);
    if (found === undefined) throw new Error(`no backup ${id}`);
    return found;
  }

  async restore(id: string, pgdata: string, over: Partial<RestoreOptions> = {}): Promise<RestoreOutcome> {
    const { store } = this;
    return await runRestore({ store, server, backup: await this.record(id), pgdata, logger, signal, ...over });
  }

  preview(target?: RecoveryTargetBlock): Promise<RecoveryPreview> {
    return previewRecovery({ repository: this.repository, server, target, signal });
  }

  /** Restores and starts a backup; it replays what is archived up to the target that the settings give. */
  async recover(id: string, settings: Settings = {}): Promise<Server> {
    const pgdata = this.cluster.newPath("recovered");
    await this.restore(id, pgdata);
    await signalRecovery(pgdata, "recovery");
    const all = { recovery_target_action: "promote", archive_mode: "off", ...settings };
    const recovered = await this.cluster.start(pgdata, all);
    onTestFinished(() => recovered.stop());
    await poll(async () => (await recovered.value("SELECT pg_is_in_recovery()")) === "f");
    return recovered;
  }

  /** Makes a standby out of a backup; it is streaming when this resolves. */
  async follow(id: string, upstream: Server): Promise<Server> {
    const pgdata = this.cluster.newPath("standby");
    await this.restore(id, pgdata);
    await signalRecovery(pgdata, "standby");
    const conninfo = `host=${this.cluster.folder} port=${upstream.connection.port} user=postgres`;
    const standby = await this.cluster.start(pgdata, { primary_conninfo: conninfo });
    onTestFinished(() => standby.stop());
    await poll(async () => (await standby.value("SELECT count(*) FROM pg_stat_wal_receiver")) === "1");
    return standby;
  }

  /** Lets everything that the primary committed so far reach the archive and the store. */
  async archiveAll(): Promise<void> {
    const segment = await this.primary.value("SELECT pg_walfile_name(pg_switch_wal())");
    const prefix = `${server}/wals/${segment.slice(0, 16)}/${segment}`;
    await poll(async () => (await this.namesUnder(prefix)).includes(segment));
    // Files that PostgreSQL archives beside segments, such as a backup's label, come after their segment.
    const waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
    await poll(async () => (await this.primary.value(waiting)) === "0");
  }

  /** Names of the objects under a prefix, without their directories. */
  async namesUnder(prefix: string): Promise<readonly string[]> {
    const entries = await Array.fromAsync(this.store.list(prefix, { signal }));
    return entries.flatMap((entry) =>
      entry.kind === "object" ? [entry.key.slice(entry.key.lastIndexOf("/") + 1)] : [],
    );
  }

  /** The store, but each part of an upload first goes through `onPart`, which is told the bytes so far. */
  withUploads(onPart: (bytes: number) => Promise<void>): ObjectStore {
    const { store } = this;
    return { ...store, upload: (key, parts, options) => store.upload(key, watched(parts, onPart), options) };
  }
}

/** Registers the hooks of the test file. */
export function useBackups(): BackupFixture {
  const fixture = new BackupFixture();
  beforeAll(async () => {
    [fixture.minio, fixture.cluster] = await Promise.all([startMinio(), openTestCluster()]);
    fixture.primary = await fixture.cluster.create("primary");
    await fixture.cluster.program("pgbench", ["-i", "-q", "-s", "2", ...fixture.place]);
  });
  afterAll(async () => {
    await Promise.all([fixture.minio.stop(), fixture.cluster.end()]);
  });
  beforeEach(async () => {
    fixture.config = fixture.minio.config();
    const store = await openStore(fixture.config);
    fixture.store = store;
    const stopArchiving = fixture.cluster.archiveTo(store, server);
    onTestFinished(async () => {
      await stopArchiving();
      store.close();
    });
  });
  return fixture;
}

/** Whether every transaction of pgbench is there with all that it wrote. */
export const isConsistent = `
  SELECT (SELECT sum(abalance) FROM public.pgbench_accounts) = (SELECT sum(bbalance) FROM public.pgbench_branches)
     AND (SELECT sum(bbalance) FROM public.pgbench_branches) = (SELECT sum(tbalance) FROM public.pgbench_tellers)
     AND (SELECT sum(tbalance) FROM public.pgbench_tellers) = (SELECT coalesce(sum(delta), 0) FROM public.pgbench_history)`;

/** Waits for a condition that comes true by itself. */
export async function poll(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await condition());) {
    if (Date.now() > deadline) throw new Error("the condition did not come true");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function* watched(
  parts: AsyncIterable<Uint8Array>,
  onPart: (bytes: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const part of parts) {
    bytes += part.length;
    await onPart(bytes);
    yield part;
  }
}
