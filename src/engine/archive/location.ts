// One archive as the WAL path sees it: a store, a server name in it and how to write there.
import type { WalCompression } from "#codec/compression.ts";
import { walsPrefix } from "#repository/barman/layout.ts";
import type { ObjectStore, ServerSideEncryption } from "#store/store.ts";

/**
 * Two locations are the same archive while `store` is the same object and `server` the same name: what was stored,
 * prefetched or learnt for one is never used for another. A caller whose store changes in any way makes a new object.
 */
export interface ArchiveLocation {
  readonly store: ObjectStore;
  /** The ObjectStore's name, for messages. */
  readonly storeName: string;
  readonly server: string;
  readonly compression: WalCompression;
  /** How many uploads, or downloads ahead, may run at once; from 1. */
  readonly maxParallel: number;
  readonly encryption?: ServerSideEncryption;
  readonly tags?: Readonly<Record<string, string>>;
  readonly historyTags?: Readonly<Record<string, string>>;
  /** Aborts when the store's settings have changed, so that nobody waits for what was given up. */
  readonly superseded?: AbortSignal;
}

/** "s3://bucket/path/pg/wals/ (store minio)" */
export const describeArchive = ({ store, storeName, server }: ArchiveLocation): string =>
  `${store.location.replace(/\/$/, "")}/${walsPrefix(server)} (store ${storeName})`;

/** "s3://bucket/path/pg/wals/00…/00….gz" */
export const describeObject = ({ store }: ArchiveLocation, key: string): string =>
  `${store.location.replace(/\/$/, "")}/${key}`;

/** Keeps one value for each archive for as long as its store lives. */
export function createPerArchive<T>(make: (location: ArchiveLocation) => T): (location: ArchiveLocation) => T {
  const stores = new WeakMap<ObjectStore, Map<string, T>>();
  return (location) => {
    const servers = stores.get(location.store) ?? new Map<string, T>();
    stores.set(location.store, servers);
    const known = servers.get(location.server);
    if (known !== undefined) return known;
    const made = make(location);
    servers.set(location.server, made);
    return made;
  };
}
