// The Backup call of CNPG for a Cluster with a Stanza: what was asked for, who else works on the stanza, and the outcome in
// CNPG's words. Keeps what the report and the metrics tell of a running one.
import { labels } from "#api/names.ts";
import type { StanzaReference } from "#cnpg/plugin-config.ts";
import { archiving } from "#cnpg/wal-roles.ts";
import type { BackupOrder, BackupOutcome } from "#cnpgi/backup.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import { runStanzaBackup, type StanzaBackupOutcome } from "#engine/pgbackrest/backup.ts";
import { parseBackupRequest } from "#engine/pgbackrest/backup-request.ts";
import type { Mutex } from "#kube/mutex.ts";
import type { Logger } from "#observe/logger.ts";
import { formatLsn } from "#postgres/lsn.ts";
import { within } from "#std/abort.ts";
import { foreignWalMs, notTheArchiver, type InstanceBackups, type RunningBackup } from "./backup.ts";
import type { StanzaSource } from "./stanzas.ts";
import { leaseProblem } from "./lease-problem.ts";
import type { Surroundings } from "./surroundings.ts";

export interface StanzaBackupDeps {
  readonly surroundings: Surroundings;
  readonly stanzas: StanzaSource;
  /** The one of a Stanza, by the object's name. */
  readonly mutexOf: (stanza: string) => Mutex;
  readonly logger: Logger;
}

/** Others hold the stanza for minutes at most: to remove old backups, to make or upgrade it. */
const mutexWaitMs = 5 * 60_000;

export function createStanzaBackups(deps: StanzaBackupDeps): InstanceBackups<StanzaReference> {
  const { surroundings, stanzas, mutexOf, logger } = deps;
  let running: RunningBackup | undefined;
  let cancellation = new AbortController();
  let failures = 0;

  async function run(order: BackupOrder<StanzaReference>, signal: AbortSignal): Promise<BackupOutcome> {
    const { cluster, backup, store: stanza } = order;
    const { name } = backup.metadata;
    const opened = await within(30_000, signal, (limited) => stanzas.get(stanza.name, { signal: limited }));
    const keys = opened.config.repositories.map(({ key }) => key);
    const parsed = parseBackupRequest(order.parameters, keys);
    if (parsed.kind === "invalid") throw new RpcError("INVALID_ARGUMENT", parsed.message);
    const mutex = mutexOf(stanza.name);
    const recordName = backup.metadata.labels?.[labels.backup] ?? name;
    const outcome = await runStanzaBackup({
      pgbackrest: opened.store,
      connection: { host: surroundings.socketDirectory, port: surroundings.port },
      request: parsed.request,
      name: recordName,
      cluster: { ...cluster.metadata, uid: cluster.metadata.uid ?? "unknown" },
      exclusively: (limited, work) =>
        mutex.hold({ purpose: `backup ${name}`, waitMs: mutexWaitMs, signal: limited }, work),
      ...(!archiving(cluster).archive && { walDeadlineMs: foreignWalMs }),
      onProgress: (progress) => {
        running = { name, ...progress };
      },
      logger,
      signal,
    });
    return toAnswer(outcome, recordName, surroundings.pod);
  }

  return {
    async backup(order, signal) {
      cancellation = new AbortController();
      running = { name: order.backup.metadata.name, bytesDone: 0, bytesTotal: 0 };
      try {
        return await run(order, AbortSignal.any([signal, cancellation.signal]));
      } catch (error) {
        failures++;
        logger.error({ err: error, backup: order.backup.metadata.name }, "backup failed");
        throw notTheArchiver(order, error) ?? leaseProblem(error) ?? error;
      } finally {
        running = undefined;
      }
    },
    current: () => running,
    failures: () => failures,
    cancel: (name) => {
      if (running?.name === name) cancellation.abort(new Error("the backup was cancelled"));
    },
  };
}

const toAnswer = (outcome: StanzaBackupOutcome, backupName: string, pod: string): BackupOutcome => ({
  backupId: outcome.label,
  backupName,
  startedAt: outcome.startedAt,
  stoppedAt: outcome.stoppedAt,
  beginWal: outcome.beginWal,
  endWal: outcome.endWal,
  beginLsn: formatLsn(outcome.beginLsn),
  endLsn: formatLsn(outcome.endLsn),
  // pgBackRest keeps both files in the backup and puts them back itself.
  backupLabel: new Uint8Array(),
  tablespaceMap: new Uint8Array(),
  instanceId: pod,
  online: true,
  metadata: {
    type: outcome.type,
    typeReason: outcome.typeReason,
    ...(outcome.prior !== undefined && { prior: outcome.prior }),
    repository: String(outcome.repository),
    timeline: String(outcome.timeline),
    ...(outcome.systemId !== undefined && { systemID: outcome.systemId }),
    ...(outcome.sizeBytes !== undefined && { sizeBytes: String(outcome.sizeBytes) }),
  },
});
