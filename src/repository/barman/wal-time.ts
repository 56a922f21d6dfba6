// The end of an archive in barman's layout, and up to which moment it reaches.
import type { ObjectStore } from "#store/store.ts";
import { endOfArchive, segmentsReadMax } from "../commit-time.ts";
import type { NewestWal, NewestWalOptions } from "../repository.ts";
import { listNewestSegments } from "./wal-listing.ts";

/** Undefined when the archive holds no segment. Throws StoreError. */
export async function readNewestWal(
  store: ObjectStore,
  server: string,
  options: NewestWalOptions,
): Promise<NewestWal | undefined> {
  const { signal } = options;
  const newest = await listNewestSegments(store, server, segmentsReadMax, { signal });
  return endOfArchive(newest, async ({ key }, consume) => consume((await store.get(key, { signal })).body), options);
}
