// The one call of a recovery: fill PGDATA from a backup. Then CNPG starts PostgreSQL, which restores WAL by wal.ts.
import { decodeCluster, skipsEmptyArchiveCheck, type Cluster } from "#cnpg/cluster.ts";
import { pluginName, readPluginConfig, type StoreReference } from "#cnpg/plugin-config.ts";
import { restoreSettings } from "#engine/restore/settings.ts";
import type { RecoveryTargetBlock } from "#postgres/recovery-target.ts";
import { complete } from "./capabilities.ts";
import {
  RestoreJobHooks,
  RestoreJobHooksCapabilitiesResultSchema,
  RestoreJobHooksCapability_Kind as Kind,
  type RestoreRequest,
} from "./gen/restore_job_pb.ts";
import { service, type Service } from "./service.ts";
import { RpcError } from "./status-code.ts";
import { misconfigured } from "./wal.ts";

export interface RestoreJobOrder<Source extends StoreReference = StoreReference> {
  readonly cluster: Cluster;
  readonly source: Source;
  /** Where the new Cluster will archive to; absent when it will not archive by us. */
  readonly destination: StoreReference | undefined;
  /** spec.bootstrap.recovery.recoveryTarget as it stands. */
  readonly recoveryTarget: RecoveryTargetBlock | undefined;
  /** Whether a destination that holds WAL already must be refused. undefined: CNPG (1.30 and older) leaves it to us. */
  readonly checkEmpty: boolean | undefined;
  /** The user's annotation that switches the check off. */
  readonly skipEmptyCheck: boolean;
}

export interface RestoreJobPort<Source extends StoreReference = StoreReference> {
  /**
   * Resolves when PGDATA is complete. When it throws (RpcError or an error that statusOf knows), it has removed what it
   * wrote: CNPG keeps a copy of every PGDATA that looks like one, until the disk is full.
   */
  restore(order: RestoreJobOrder<Source>, signal: AbortSignal): Promise<void>;
}

export function restoreJobService(port: RestoreJobPort): Service {
  const advertised = complete(RestoreJobHooksCapabilitiesResultSchema, { capabilities: [{ kind: Kind.RESTORE }] });
  return service(RestoreJobHooks, {
    getCapabilities: () => advertised,
    restore: async (request, { signal }) => {
      await port.restore(restoreOrder(request), signal);
      return { restoreConfig: restoreSettings(), envs: [] };
    },
  });
}

function restoreOrder(request: RestoreRequest): RestoreJobOrder {
  const cluster = decodeCluster(request.clusterDefinition);
  const { own, recoverySource } = readPluginConfig(cluster);
  if (recoverySource === undefined) {
    throw new RpcError("FAILED_PRECONDITION", `spec.bootstrap.recovery.source does not use ${pluginName}`);
  }
  if (recoverySource.kind === "invalid") throw misconfigured(recoverySource.problems);
  // A Cluster that could not archive is not worth the hours of its recovery.
  if (own?.kind === "invalid") throw misconfigured(own.problems);
  return {
    cluster,
    source: recoverySource.store,
    destination: own?.store,
    recoveryTarget: cluster.spec.recovery?.recoveryTarget,
    checkEmpty: request.checkEmptyWalArchive,
    skipEmptyCheck: skipsEmptyArchiveCheck(cluster),
  };
}
