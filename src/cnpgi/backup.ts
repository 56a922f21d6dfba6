// The Backup call: one at a time in a pod, and an answer without holes, since CNPG copies it field by field into the
// status of its Backup.
import { decodeBackup, type Backup as CnpgBackup } from "#cnpg/backup.ts";
import { decodeCluster, type Cluster } from "#cnpg/cluster.ts";
import { pluginName, readPluginConfig, type StoreReference } from "#cnpg/plugin-config.ts";
import { waitFor } from "#std/abort.ts";
import { complete } from "./capabilities.ts";
import {
  Backup,
  BackupCapabilitiesResultSchema,
  BackupCapability_RPC_Type as Type,
  type BackupRequest,
} from "./gen/backup_pb.ts";
import { service, type Service } from "./service.ts";
import { RpcError } from "./status-code.ts";
import { misconfigured } from "./wal.ts";

export interface BackupOrder<Reference extends StoreReference = StoreReference> {
  readonly cluster: Cluster;
  readonly backup: CnpgBackup;
  /** The Cluster's own. */
  readonly store: Reference;
  /** spec.pluginConfiguration.parameters of the Backup. */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface BackupOutcome {
  readonly backupId: string;
  readonly backupName: string;
  readonly startedAt: Date;
  readonly stoppedAt: Date;
  /** 24 hexadecimal digits. */
  readonly beginWal: string;
  readonly endWal: string;
  /** X/Y. */
  readonly beginLsn: string;
  readonly endLsn: string;
  readonly backupLabel: Uint8Array;
  /** Empty without tablespaces. */
  readonly tablespaceMap: Uint8Array;
  /** The pod that the backup was taken in. */
  readonly instanceId: string;
  readonly online: boolean;
  /** Small: it is stored in etcd. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface BackupPort<Reference extends StoreReference = StoreReference> {
  /** The signal aborts when the caller's process is gone. Throws RpcError or an error that statusOf knows. */
  backup(order: BackupOrder<Reference>, signal: AbortSignal): Promise<BackupOutcome>;
}

/** A backup that is given up is through within seconds, and CNPG may have started the next one already. */
const patienceMsDefault = 30_000;

/** `patienceMs`: how long a call waits for the backup that runs before it is refused. */
export function backupService(
  port: BackupPort,
  { patienceMs = patienceMsDefault }: { readonly patienceMs?: number } = {},
): Service {
  const advertised = complete(BackupCapabilitiesResultSchema, {
    capabilities: [{ type: { case: "rpc", value: { type: Type.BACKUP } } }],
  });
  let running: { readonly name: string; readonly ended: Promise<void> } | undefined;

  /** Until the one that runs has ended; throws when the caller is gone or patience is at its end. */
  async function untilEnded({ name, ended }: NonNullable<typeof running>, signal: AbortSignal, deadline: AbortSignal) {
    try {
      await waitFor(ended, AbortSignal.any([signal, deadline]));
    } catch (error) {
      signal.throwIfAborted();
      const message = `backup ${name} is running in this pod: one at a time`;
      throw new RpcError("RESOURCE_EXHAUSTED", message, { cause: error });
    }
  }

  return service(Backup, {
    getCapabilities: () => advertised,
    backup: async (request, { signal }) => {
      const order = backupOrder(request);
      const deadline = AbortSignal.timeout(patienceMs);
      // Between the last look at what runs and the claim nothing is awaited: of several that wait one goes on.
      for (let before = running; before !== undefined; before = running) await untilEnded(before, signal, deadline);
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      running = { name: order.backup.metadata.name, ended };
      try {
        return toResult(await port.backup(order, signal));
      } finally {
        running = undefined;
        end();
      }
    },
  });
}

function backupOrder(request: BackupRequest): BackupOrder {
  const cluster = decodeCluster(request.clusterDefinition);
  const backup = decodeBackup(request.backupDefinition);
  const { own } = readPluginConfig(cluster);
  if (own === undefined) throw new RpcError("FAILED_PRECONDITION", `${pluginName} is not enabled in spec.plugins`);
  if (own.kind === "invalid") throw misconfigured(own.problems);
  return { cluster, backup, store: own.store, parameters: request.parameters };
}

const toResult = (outcome: BackupOutcome) => ({
  backupId: outcome.backupId,
  backupName: outcome.backupName,
  startedAt: unixSeconds(outcome.startedAt),
  stoppedAt: unixSeconds(outcome.stoppedAt),
  beginWal: outcome.beginWal,
  endWal: outcome.endWal,
  beginLsn: outcome.beginLsn,
  endLsn: outcome.endLsn,
  backupLabelFile: outcome.backupLabel,
  tablespaceMapFile: outcome.tablespaceMap,
  instanceId: outcome.instanceId,
  online: outcome.online,
  metadata: { ...outcome.metadata },
});

const unixSeconds = (time: Date): bigint => BigInt(Math.floor(time.getTime() / 1000));
