// The Repository port on a store in barman's layout. Only puts its parts together.
import type { ObjectStore } from "#store/store.ts";
import type { Repository } from "../repository.ts";
import { listServers, readCatalog } from "./catalog.ts";
import { readContents, readHolds, removeBackup } from "./contents.ts";
import { readHistory } from "./history.ts";
import { readOwner } from "./owner.ts";
import { missingWal } from "./wal-presence.ts";
import { findMissingSegments, listHistoryTimelines } from "./wal-listing.ts";
import { readNewestWal } from "./wal-time.ts";

export const openBarmanRepository = (store: ObjectStore): Repository => ({
  location: store.location,
  servers: (options) => listServers(store, options),
  catalog: (server, options) => readCatalog(store, server, options),
  newestWal: (server, options) => readNewestWal(store, server, options),
  missingSegments: (server, range, options) => findMissingSegments(store, server, range, options),
  missingFiles: (server, wanted, options) => missingWal({ store, server }, wanted, options),
  contents: (server, id, options) => readContents(store, server, id, options),
  holds: (server, id, options) => readHolds(store, server, id, options),
  removeBackup: (server, id, options) => removeBackup(store, server, id, options),
  history: (server, timeline, options) => readHistory(store, server, timeline, options),
  historyTimelines: (server, options) => listHistoryTimelines(store, server, options),
  owner: (server, options) => readOwner(store, server, options),
});
