// The Restore call of CNPG from a Stanza: which backup, from which of its repositories, into which directory. What a
// failure in the middle has written is used by the next try, and removed when the restore is given up.
import type { StanzaReference } from "#cnpg/plugin-config.ts";
import type { RestoreJobOrder, RestoreJobPort } from "#cnpgi/restore-job.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import { previewStanzaRecovery } from "#engine/pgbackrest/preview.ts";
import { runStanzaRestore } from "#engine/pgbackrest/restore.ts";
import { cleanStanzaTarget, type StanzaRestoreTarget } from "#engine/pgbackrest/restore-target.ts";
import { parseRecoveryTarget } from "#postgres/recovery-target.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { openPgbackrestRepository } from "#repository/pgbackrest/repository.ts";
import { messageOf, patiently, type Patience } from "./patiently.ts";
import { walVolumeDirectory, type RequireEmpty } from "./restore.ts";

export interface StanzaRestoreDeps extends Patience<StanzaConfig, Pgbackrest> {
  readonly pgdata: string;
  /** Throws when the archive that the new Cluster will write to is not empty; waits for a store that is away. */
  readonly requireEmpty: RequireEmpty;
}

export function createStanzaRestorePort(deps: StanzaRestoreDeps): RestoreJobPort<StanzaReference> {
  const { pgdata, requireEmpty, tell, logger } = deps;

  async function copy(
    pgbackrest: Pgbackrest,
    { cluster, recoveryTarget }: RestoreJobOrder<StanzaReference>,
    {
      onPrepared,
      signal,
    }: { readonly onPrepared: (target: StanzaRestoreTarget) => void; readonly signal: AbortSignal },
  ): Promise<void> {
    const { postgresMajor } = cluster.spec;
    const preview = await previewStanzaRecovery({ pgbackrest, target: recoveryTarget, postgresMajor, signal });
    if (preview.kind === "unreachable") throw new RpcError("FAILED_PRECONDITION", preview.message);
    const { backup, why } = preview;
    const { id: backupId, repository = 1 } = backup;
    logger.info({ backup: backupId, repository, why }, "restoring");
    const parsed = parseRecoveryTarget(recoveryTarget);
    await runStanzaRestore({
      pgbackrest,
      backup: { label: backupId, repository, sizeBytes: backup.sizeBytes },
      timeline: parsed.kind === "target" ? parsed.target.timeline : "latest",
      tablespaces: cluster.spec.tablespaces,
      pgdata,
      ...(cluster.spec.hasWalStorage && { walDirectory: walVolumeDirectory }),
      onPrepared,
      onProgress: (progress) => tell({ phase: "Copying", backupId, ...progress }),
      logger,
      signal,
    });
    tell({ phase: "Replaying", backupId });
  }

  return {
    async restore(order, signal) {
      const { destination } = order;
      let written: StanzaRestoreTarget | undefined;
      const onPrepared = (target: StanzaRestoreTarget): void => void (written = target);
      tell({ phase: "Copying" });
      try {
        if (destination !== undefined && (order.checkEmpty ?? !order.skipEmptyCheck))
          await requireEmpty(destination, signal);
        const use = ({ store }: { readonly store: Pgbackrest }) => copy(store, order, { onPrepared, signal });
        await patiently(deps, order.source.name, use, signal);
      } catch (error) {
        logger.error({ err: error }, "restore failed");
        tell({ phase: "Failed", message: messageOf(error) });
        if (written !== undefined) await cleanAfterFailure(written);
        throw error;
      }
    },
  };

  /** What cannot be removed must not hide why the restore failed. */
  async function cleanAfterFailure(target: StanzaRestoreTarget): Promise<void> {
    await cleanStanzaTarget(target).catch((error: unknown) => {
      logger.warn({ err: error }, "the data directory of a failed restore could not be emptied");
    });
  }
}

/** A Cluster that begins must have a stanza of its own, while it has no identity yet: also not that it comes from. */
export const requireEmptyStanza =
  (deps: Patience<StanzaConfig, Pgbackrest>): RequireEmpty<StanzaReference> =>
  (destination, signal) =>
    patiently(deps, destination.name, ({ store }) => refuseUsedStanza(store, destination, signal), signal);

async function refuseUsedStanza(pgbackrest: Pgbackrest, { name }: StanzaReference, signal: AbortSignal): Promise<void> {
  const owner = await openPgbackrestRepository(pgbackrest).owner(pgbackrest.config.stanza, { signal });
  if (owner === undefined) return;
  const whose =
    owner.cluster === undefined
      ? `database system ${owner.systemId}`
      : `cluster ${owner.cluster.namespace}/${owner.cluster.name}`;
  throw new RpcError(
    "FAILED_PRECONDITION",
    `Expected empty archive: stanza ${pgbackrest.config.stanza} of Stanza ${name} already holds the WAL of ${whose}; ` +
      `give the new cluster another Stanza in spec.plugins, or annotate it with cnpg.io/skipEmptyWalArchiveCheck: enabled`,
  );
}
