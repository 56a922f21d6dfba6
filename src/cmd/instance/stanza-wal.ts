// WAL calls of CNPG on this instance for a Stanza.
import type { StanzaReference } from "#cnpg/plugin-config.ts";
import type { ArchiveOrder, WalPort } from "#cnpgi/wal.ts";
import { isArchiveError } from "#engine/archive/errors.ts";
import type { Fetcher } from "#engine/archive/fetcher.ts";
import type { StanzaArchiver, StanzaTarget } from "#engine/pgbackrest/archiver.ts";
import { stanzaArchive } from "#engine/pgbackrest/stanza-archive.ts";
import type { Mutex } from "#kube/mutex.ts";
import type { Logger } from "#observe/logger.ts";
import { atNewest, openMsMax } from "./newest.ts";
import type { StanzaSource } from "./stanzas.ts";
import { checksEmpty, identityOf } from "./wal.ts";
import { createWalRestore, type RestoreCounts } from "./wal-restore.ts";

export interface StanzaWalDeps {
  readonly pgdata: string;
  readonly archiver: StanzaArchiver;
  readonly fetcher: Fetcher;
  readonly stanzas: Pick<StanzaSource, "get" | "invalidate">;
  readonly mutexOf: (stanza: string) => Mutex;
  readonly onWaiting: (message: string | undefined) => void;
  readonly logger: Logger;
}

export function createStanzaWalPort(deps: StanzaWalDeps): WalPort<StanzaReference> & { counts(): RestoreCounts } {
  const { pgdata, archiver, fetcher, stanzas, mutexOf, onWaiting, logger } = deps;
  const restoring = createWalRestore<StanzaReference>({
    pgdata,
    fetcher,
    locate: async ({ name }, signal) => {
      const { store, superseded } = await stanzas.get(name, { signal });
      return stanzaArchive(store, { name, superseded });
    },
    onWaiting,
    logger,
  });

  async function archive(order: ArchiveOrder<StanzaReference>, signal: AbortSignal): Promise<void> {
    const { store, path, skipEmptyCheck: skipCheck } = order;
    const { name } = store;
    const call = { cluster: identityOf(order), checkEmpty: await checksEmpty(order, pgdata), skipCheck };
    const open = async (limited: AbortSignal): Promise<StanzaTarget> => {
      const { store: pgbackrest, superseded } = await stanzas.get(name, { signal: limited });
      return { name, pgbackrest, superseded, mutex: mutexOf(name) };
    };
    try {
      await atNewest({ open, openMs: openMsMax, store: name, signal, logger }, (target, limited) =>
        archiver.archive(path, target, { ...call, signal: limited }),
      );
    } catch (error) {
      // The keys may have been changed: they are read again before the next call.
      if (isArchiveError(error, "StoreRefused")) stanzas.invalidate(name);
      throw error;
    }
  }

  return { archive, ...restoring };
}
