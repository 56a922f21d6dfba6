// The Restore call of CNPG in a recovery job (or in an instance that bootstraps itself): which backup, into which
// directory. Nothing is written before it is known that the recovery target can be reached.
import type { ObjectStoreReference, StoreReference } from "#cnpg/plugin-config.ts";
import type { RestoreJobOrder, RestoreJobPort } from "#cnpgi/restore-job.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import { missingFrom } from "#engine/backup/wal-presence.ts";
import { previewRecovery } from "#engine/restore/preview.ts";
import { runRestore } from "#engine/restore/run.ts";
import type { InstanceEntry } from "#engine/report/reporter.ts";
import type { Logger } from "#observe/logger.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import { within } from "#std/abort.ts";
import { retry } from "#std/backoff.ts";
import { isStoreConfigError } from "#store/config.ts";
import { StoreError } from "#store/errors.ts";
import type { OpenedStore, StoreSource } from "#store/refreshing.ts";

export type RunningRestore = NonNullable<InstanceEntry["restore"]>;

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
const walVolumeDirectory = "/var/lib/postgresql/wal/pg_wal";

type Patience = Pick<RestoreDeps, "stores" | "tell" | "logger">;

/** A store that is away is waited for: failing would cost one of the few tries that the Job has. */
const patiently = (
  { stores, logger, tell }: Patience,
  reference: ObjectStoreReference,
  use: (opened: OpenedStore) => Promise<void>,
  signal: AbortSignal,
): Promise<void> =>
  retry(async () => use(await within(30_000, signal, (limited) => stores.get(reference.name, { signal: limited }))), {
    attempts: Infinity,
    firstMs: 1_000,
    maxMs: 15_000,
    signal,
    isTransient: isWorthWaiting,
    onRetry: (error) => {
      stores.invalidate(reference.name);
      logger.warn({ err: error, store: reference.name }, "restore waits");
      tell({ phase: "Waiting", message: messageOf(error) });
    },
  });

export const requireEmptyArchive =
  (deps: Patience): RequireEmpty<ObjectStoreReference> =>
  (destination, signal) =>
    patiently(deps, destination, (opened) => refuseUsedArchive(opened, destination, signal), signal);

export function createRestorePort(deps: RestoreDeps): RestoreJobPort<ObjectStoreReference> {
  const { pgdata, requireEmpty, tell, logger } = deps;

  async function copy(
    { store }: OpenedStore,
    order: RestoreJobOrder<ObjectStoreReference>,
    signal: AbortSignal,
  ): Promise<void> {
    const server = order.source.serverName;
    const repository = openBarmanRepository(store);
    const preview = await previewRecovery({
      repository,
      missing: missingFrom({ store, server }),
      server,
      target: order.recoveryTarget,
      signal,
    });
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
        await patiently(deps, order.source, (opened) => copy(opened, order, signal), signal);
      } catch (error) {
        logger.error({ err: error }, "restore failed");
        tell({ phase: "Failed", message: messageOf(error) });
        throw error;
      }
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Silence, and refusals that people mend while we wait: a wrong key, a missing bucket or Secret. */
function isWorthWaiting(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof StoreError) return !["NotFound", "AlreadyExists", "Unsupported"].includes(cause.kind);
    if (isStoreConfigError(cause)) return cause.kind !== "Unsupported" && cause.kind !== "InvalidSpec";
  }
  return false;
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
