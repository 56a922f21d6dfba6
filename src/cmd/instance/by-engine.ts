// Hands each call of CNPG to the engine of the store that it names: barman's layout for an ObjectStore, pgBackRest for a
// Stanza. One process serves both, since a Cluster may be recovered from one and archive to the other.
import type { BackupPort } from "#cnpgi/backup.ts";
import type { RestoreJobPort } from "#cnpgi/restore-job.ts";
import type { WalPort } from "#cnpgi/wal.ts";
import type { RequireEmpty } from "./restore.ts";
import type { ObjectStoreReference, StanzaReference } from "#cnpg/plugin-config.ts";

/** The same port of both engines. */
export interface Engines<ForObjectStore, ForStanza> {
  readonly objectStore: ForObjectStore;
  readonly stanza: ForStanza;
}

export const walByEngine = ({
  objectStore,
  stanza,
}: Engines<WalPort<ObjectStoreReference>, WalPort<StanzaReference>>): WalPort => ({
  archive: ({ store, ...order }, signal) =>
    store.kind === "Stanza"
      ? stanza.archive({ ...order, store }, signal)
      : objectStore.archive({ ...order, store }, signal),
  restore: ({ store, ...order }, signal) =>
    store.kind === "Stanza"
      ? stanza.restore({ ...order, store }, signal)
      : objectStore.restore({ ...order, store }, signal),
});

export const backupByEngine = ({
  objectStore,
  stanza,
}: Engines<BackupPort<ObjectStoreReference>, BackupPort<StanzaReference>>): BackupPort => ({
  backup: ({ store, ...order }, signal) =>
    store.kind === "Stanza"
      ? stanza.backup({ ...order, store }, signal)
      : objectStore.backup({ ...order, store }, signal),
});

export const restoreByEngine = ({
  objectStore,
  stanza,
}: Engines<RestoreJobPort<ObjectStoreReference>, RestoreJobPort<StanzaReference>>): RestoreJobPort => ({
  restore: ({ source, ...order }, signal) =>
    source.kind === "Stanza"
      ? stanza.restore({ ...order, source }, signal)
      : objectStore.restore({ ...order, source }, signal),
});

export const requireEmptyByEngine =
  ({ objectStore, stanza }: Engines<RequireEmpty<ObjectStoreReference>, RequireEmpty<StanzaReference>>): RequireEmpty =>
  (destination, signal) =>
    destination.kind === "Stanza" ? stanza(destination, signal) : objectStore(destination, signal);
