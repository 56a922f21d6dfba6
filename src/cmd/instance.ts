// The sidecar in every PostgreSQL pod and recovery job: WAL, base backup, restore and metrics for CNPG over a unix socket.
// The socket is bound last, because its appearance is what starts PostgreSQL's container; nothing before that asks the
// store or the API server, so neither can keep a database from starting.
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { objectStores } from "#api/kinds.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { backupService } from "#cnpgi/backup.ts";
import { identityService } from "#cnpgi/identity.ts";
import { metricsService } from "#cnpgi/metrics.ts";
import { restoreJobService } from "#cnpgi/restore-job.ts";
import { serveUnix } from "#cnpgi/server.ts";
import { socketPath } from "#cnpgi/sidecar.ts";
import { walService } from "#cnpgi/wal.ts";
import { createArchiver } from "#engine/archive/archiver.ts";
import { createFetcher } from "#engine/archive/fetcher.ts";
import { createStanzaArchiver } from "#engine/pgbackrest/archiver.ts";
import { runReporter } from "#engine/report/reporter.ts";
import { createRestClient } from "#kube/rest-client.ts";
import { createInClusterTransport, inClusterAddress } from "#kube/transport-in-cluster.ts";
import { createLogger, logLevels, type LogLevel } from "#observe/logger.ts";
import { aborted } from "#std/abort.ts";
import { StoreConfigError } from "#store/config.ts";
import { openStore } from "#store/open.ts";
import { createStoreSource } from "#store/refreshing.ts";
import { resolveStoreConfig } from "#store/resolve.ts";
import { mergedStatus } from "./instance/archiver-status.ts";
import { createBackups } from "./instance/backup.ts";
import { backupByEngine, requireEmptyByEngine, restoreByEngine, walByEngine } from "./instance/by-engine.ts";
import { createLocate } from "./instance/locations.ts";
import { createReport } from "./instance/report.ts";
import { createRestorePort, requireEmptyArchive, type RunningRestore } from "./instance/restore.ts";
import { createStanzaBackups } from "./instance/stanza-backup.ts";
import { createStanzaRestorePort, requireEmptyStanza } from "./instance/stanza-restore.ts";
import { createStanzaWalPort } from "./instance/stanza-wal.ts";
import { createStanzaMutexes, createStanzaSource, spoolDirectoryOf } from "./instance/stanzas.ts";
import { readSurroundings } from "./instance/surroundings.ts";
import { tidyMemory } from "./instance/tidy-memory.ts";
import { createWalPort } from "./instance/wal.ts";
import { readSecretsOf } from "./secret-reader.ts";
import { stopSignal } from "./stop-signal.ts";
import { version } from "./version.ts";

const surroundings = readSurroundings(process.env);
const { pod, namespace, cluster, pgdata, scratch } = surroundings;
const level = process.env["HOLDFAST_LOG_LEVEL"] ?? "info";
const logger = createLogger(logLevels.includes(level as LogLevel) ? (level as LogLevel) : "info", { pod });
const signal = stopSignal();
await mkdir(scratch, { recursive: true });

const address = inClusterAddress(process.env);
if (address === undefined) throw new Error("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be set");
const client = createRestClient(createInClusterTransport(address), { userAgent: "holdfast-instance" });
const stores = createStoreSource({
  load: async (name, loading) => {
    const object = await client.get<ObjectStore>(objectStores, { namespace, name }, { signal: loading });
    if (object === undefined)
      throw new StoreConfigError("StoreNotFound", `ObjectStore ${name} does not exist in namespace ${namespace}`);
    return resolveStoreConfig(object, readSecretsOf(client, namespace), { signal: loading });
  },
  open: (config, options) => openStore(config, { ...options, policy: { onRetry: (error) => onSilence(error) } }),
  logger,
  now: () => performance.now(),
});

const stanzas = createStanzaSource({ client, surroundings, logger });
const mutexOf = createStanzaMutexes({ client, surroundings, logger });

let restore: RunningRestore | undefined;
const locate = createLocate(stores);
const walDirectory = join(pgdata, "pg_wal");
const archiver = createArchiver({ pgdata, walDirectory, logger });
const spoolDirectory = await spoolDirectoryOf(surroundings);
/** By name: a volume may be a copy of another Cluster's. */
const stateDirectory = join(dirname(pgdata), "holdfast", `${namespace}.${cluster}`);
const stanzaArchiver = createStanzaArchiver({ pgdata, walDirectory, spoolDirectory, stateDirectory, logger });
const archiving = () => mergedStatus(archiver.status(), stanzaArchiver.status());
const fetcher = createFetcher({ spoolDirectory: join(scratch, "wal-restore"), logger });
const storeBackups = createBackups({ surroundings, stores, logger });
const stanzaBackups = createStanzaBackups({ surroundings, stanzas, mutexOf, logger });
const runningBackup = () => storeBackups.current() ?? stanzaBackups.current();
const onWaiting = (message: string | undefined): void => {
  if (message !== undefined) restore = { ...restore, phase: "Waiting", message };
  else if (restore?.phase === "Waiting") restore = { phase: "Replaying" };
};
/** A request of a restore that gets no answer is told long before all of its tries are over. */
const onSilence = (error: unknown): void => {
  const isUnderWay = restore !== undefined && restore.phase !== "Failed";
  if (isUnderWay) onWaiting(error instanceof Error ? error.message : String(error));
};
const tell = (next: RunningRestore): void => {
  restore = next;
};
const requireEmpty = requireEmptyByEngine({
  objectStore: requireEmptyArchive({ stores, tell, logger }),
  stanza: requireEmptyStanza({ stores: stanzas, tell, logger }),
});
const restores = restoreByEngine({
  objectStore: createRestorePort({ pgdata, stores, requireEmpty, tell, logger }),
  stanza: createStanzaRestorePort({ pgdata, stores: stanzas, requireEmpty, tell, logger }),
});
const wal = createWalPort({ pgdata, archiver, fetcher, locate, onWaiting, logger });
const stanzaWal = createStanzaWalPort({
  pgdata,
  archiver: stanzaArchiver,
  fetcher,
  stanzas,
  mutexOf,
  onWaiting,
  logger,
});
const report = createReport({
  surroundings,
  archiving,
  backup: runningBackup,
  restore: () => restore,
  cancelBackup: (name) => {
    storeBackups.cancel(name);
    stanzaBackups.cancel(name);
  },
  logger,
});

const server = await serveUnix(socketPath, {
  logger,
  services: [
    identityService({ role: "instance", version, probe: () => undefined }),
    walService({ port: walByEngine({ objectStore: wal, stanza: stanzaWal }), podName: pod }),
    backupService(backupByEngine({ objectStore: storeBackups, stanza: stanzaBackups })),
    restoreJobService(restores),
    metricsService({ snapshot }),
  ],
});
logger.info({ version }, "serving");
tidyMemory(() => runningBackup() !== undefined || restore !== undefined);
const reporting = runReporter(
  { client, namespace, cluster, pod, describe: report.describe, onWishes: report.follow, logger },
  signal,
);

await aborted(signal);
logger.info("stopping");
const graceMs = 20_000;
await Promise.all([
  server.close(graceMs),
  archiver.close(AbortSignal.timeout(graceMs)),
  stanzaArchiver.close(AbortSignal.timeout(graceMs)),
  reporting,
]);
await fetcher.close();
stores.close();
stanzas.close();

function snapshot() {
  const { files, bytes, failures, ready, lastArchived, gaps } = archiving();
  const running = runningBackup();
  const [restored, failed] = [wal.counts(), stanzaWal.counts()].reduce(
    ([files, failures], counts) => [files + counts.restored, failures + counts.failed],
    [0, 0],
  );
  return {
    wal_archived_segments_total: files,
    wal_archived_bytes_total: bytes,
    wal_archive_failures_total: failures,
    wal_given_up_files: gaps.length,
    wal_restored_segments_total: restored,
    wal_restore_failures_total: failed,
    backup_running: running === undefined ? 0 : 1,
    backup_failures_total: storeBackups.failures() + stanzaBackups.failures(),
    ...(ready !== undefined && { wal_ready_files: ready }),
    ...(running && { backup_running_bytes: running.bytesDone }),
    ...(lastArchived && { wal_last_archived_timestamp_seconds: lastArchived.at.getTime() / 1000 }),
  };
}
