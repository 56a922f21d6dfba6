// WAL calls of CNPG on this instance for an ObjectStore.
import { join } from "node:path";
import type { ObjectStoreReference } from "#cnpg/plugin-config.ts";
import type { ArchiveOrder, WalPort } from "#cnpgi/wal.ts";
import type { Archiver } from "#engine/archive/archiver.ts";
import { barmanArchive } from "#engine/archive/barman-archive.ts";
import type { Fetcher } from "#engine/archive/fetcher.ts";
import type { Logger } from "#observe/logger.ts";
import { exists } from "#std/exists.ts";
import type { Locate } from "./locations.ts";
import { atNewest, openMsMax } from "./newest.ts";
import { createWalRestore, type RestoreCounts } from "./wal-restore.ts";

export interface WalDeps {
  readonly pgdata: string;
  readonly archiver: Archiver;
  readonly fetcher: Fetcher;
  readonly locate: Locate;
  /** Told what a recovery waits for, and with undefined that it goes on. */
  readonly onWaiting: (message: string | undefined) => void;
  readonly logger: Logger;
}

/** CNPG's marker: nothing has been archived by this cluster yet. */
const emptyCheckMarker = ".check-empty-wal-archive";

export function createWalPort(deps: WalDeps): WalPort<ObjectStoreReference> & { counts(): RestoreCounts } {
  const { pgdata, archiver, fetcher, locate, onWaiting, logger } = deps;
  const restoring = createWalRestore<ObjectStoreReference>({
    pgdata,
    fetcher,
    locate: async (reference, signal) => barmanArchive(await locate(reference, signal)),
    onWaiting,
    logger,
  });

  async function archive(order: ArchiveOrder<ObjectStoreReference>, signal: AbortSignal): Promise<void> {
    const { store, path, skipEmptyCheck: skipCheck } = order;
    const call = { cluster: identityOf(order), checkEmpty: await checksEmpty(order, pgdata), skipCheck };
    const open = (limited: AbortSignal) => locate(store, limited);
    await atNewest({ open, openMs: openMsMax, store: store.name, signal, logger }, (location, limited) =>
      archiver.archive(path, location, { ...call, signal: limited }),
    );
  }

  return { archive, ...restoring };
}

export function identityOf({ cluster }: ArchiveOrder) {
  const { namespace, name, uid = "" } = cluster.metadata;
  return { namespace, name, uid };
}

export const checksEmpty = async (
  { checkEmpty, skipEmptyCheck }: Pick<ArchiveOrder, "checkEmpty" | "skipEmptyCheck">,
  pgdata: string,
): Promise<boolean> => checkEmpty ?? (!skipEmptyCheck && (await exists(join(pgdata, emptyCheckMarker))));
