// From a store and a server name to an archive that can be written and read.
import { compressionByName } from "#codec/compression.ts";
import type { ObjectStoreReference } from "#cnpg/plugin-config.ts";
import type { ArchiveLocation } from "#engine/archive/location.ts";
import type { OpenedStore, StoreSource } from "#store/refreshing.ts";

export type Locate = (reference: ObjectStoreReference, signal: AbortSignal) => Promise<ArchiveLocation>;

/** One location for each opened store and server: the WAL path tells archives apart by identity. */
export function createLocate(stores: StoreSource): Locate {
  const made = new WeakMap<OpenedStore, Map<string, ArchiveLocation>>();

  function locationIn(opened: OpenedStore, { name, serverName }: ObjectStoreReference): ArchiveLocation {
    const servers = made.get(opened) ?? new Map<string, ArchiveLocation>();
    made.set(opened, servers);
    const known = servers.get(serverName);
    if (known !== undefined) return known;
    const { wal, tags, historyTags } = opened.config;
    const location: ArchiveLocation = {
      store: opened.store,
      storeName: name,
      server: serverName,
      compression: compressionByName(wal.compression),
      maxParallel: wal.maxParallel,
      superseded: opened.superseded,
      ...(wal.encryption !== undefined && { encryption: wal.encryption }),
      ...(tags !== undefined && { tags }),
      ...(historyTags !== undefined && { historyTags }),
    };
    servers.set(serverName, location);
    return location;
  }

  return async (reference, signal) => locationIn(await stores.get(reference.name, { signal }), reference);
}
