// The Restore call of CNPG in a recovery job (or in an instance that bootstraps itself): which backup, into which
// directory. Nothing is written before it is known that the recovery target can be reached.
import type { ObjectStoreReference, StoreReference } from "#cnpg/plugin-config.ts";
import type { RestoreJobOrder, RestoreJobPort } from "#cnpgi/restore-job.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import { previewRecovery } from "#engine/restore/preview.ts";
import { runRestore } from "#engine/restore/run.ts";
import type { Logger } from "#observe/logger.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import type { OpenedStore, StoreSource } from "#store/refreshing.ts";
import { messageOf, patiently, type RunningRestore } from "./patiently.ts";

export type { RunningRestore } from "./patiently.ts";

export interface RestoreDeps {
  readonly pgdata: string;
  readonly stores: StoreSource;
  /** Throws when the archive that the new Cluster will write to is not empty; waits for a store that is away. */
  readonly requireEmpty: RequireEmpty;
  readonly tell: (restore: RunningRestore) => void;
  readonly logger: Logger;
}

/** For one engine, or for whatever a Cluster refers to. */
export type RequireEmpty<Reference extends StoreReference = StoreReference> = (
  destination: Reference,
  signal: AbortSignal,
) => Promise<void>;

/** CNPG's place for WAL that has a volume of its own. */
export const walVolumeDirectory = "/var/lib/postgresql/wal/pg_wal";

export const requireEmptyArchive =
  (deps: Pick<RestoreDeps, "stores" | "tell" | "logger">): RequireEmpty<ObjectStoreReference> =>
  (destination, signal) =>
    patiently(deps, destination.name, (opened) => refuseUsedArchive(opened, destination, signal), signal);

export function createRestorePort(deps: RestoreDeps): RestoreJobPort<ObjectStoreReference> {
  const { pgdata, requireEmpty, tell, logger } = deps;

  async function copy(
    { store }: OpenedStore,
    order: RestoreJobOrder<ObjectStoreReference>,
    signal: AbortSignal,
  ): Promise<void> {
    const server = order.source.serverName;
    const { postgresMajor } = order.cluster.spec;
    const repository = openBarmanRepository(store);
    const preview = await previewRecovery({ repository, server, target: order.recoveryTarget, postgresMajor, signal });
    if (preview.kind === "unreachable") throw new RpcError("FAILED_PRECONDITION", preview.message);
    const { backup, why } = preview;
    logger.info({ backup: backup.id, why }, "restoring");
    await runRestore({
      store,
      server,
      backup,
      pgdata,
      ...(order.cluster.spec.hasWalStorage && { walDirectory: walVolumeDirectory }),
      logger,
      onProgress: (progress) => tell({ phase: "Copying", backupId: backup.id, ...progress }),
      signal,
    });
    tell({ phase: "Replaying", backupId: backup.id });
  }

  return {
    async restore(order, signal) {
      const { destination } = order;
      tell({ phase: "Copying" });
      try {
        if (destination !== undefined && (order.checkEmpty ?? !order.skipEmptyCheck))
          await requireEmpty(destination, signal);
        await patiently(deps, order.source.name, (opened) => copy(opened, order, signal), signal);
      } catch (error) {
        logger.error({ err: error }, "restore failed");
        tell({ phase: "Failed", message: messageOf(error) });
        throw error;
      }
    },
  };
}

/** The archive that the new cluster will write to must be its own: an empty one, while it has no identity yet. */
async function refuseUsedArchive(
  { store }: OpenedStore,
  { name, serverName }: ObjectStoreReference,
  signal: AbortSignal,
): Promise<void> {
  const repository = openBarmanRepository(store);
  const newest = await repository.newestWal(serverName, { signal });
  const owner = await repository.owner(serverName, { signal });
  if (newest === undefined && owner === undefined) return;
  const whose = owner?.cluster === undefined ? "" : ` of cluster ${owner.cluster.namespace}/${owner.cluster.name}`;
  throw new RpcError(
    "FAILED_PRECONDITION",
    `Expected empty archive: server ${serverName} in store ${name} already holds the WAL${whose}; ` +
      `give the new cluster another serverName in spec.plugins, or annotate it with cnpg.io/skipEmptyWalArchiveCheck: enabled`,
  );
}
