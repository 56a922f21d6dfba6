// The Repository port on the repositories of one stanza, by pgBackRest's program. Only puts its parts together. The one
// server that it knows is the stanza.
import type { CallOptions } from "#store/store.ts";
import type { Repository } from "../repository.ts";
import { requireAll, toCatalog } from "./catalog.ts";
import { locationOfRepository } from "./config.ts";
import { holdsOf, readContents, removeBackup } from "./contents.ts";
import { openFiles, type FilesOptions } from "./files.ts";
import { readInfo, type PgbackrestInfo } from "./info.ts";
import { readOwner } from "./owner.ts";
import type { Pgbackrest } from "./pgbackrest.ts";
import { findMissingFiles, findMissingSegments, readHistory, readHistoryTimelines, readNewestWal } from "./wal.ts";

export interface PgbackrestRepository extends Repository {
  /** What each repository says, or why it says nothing: throws for none of them. */
  info(options: CallOptions): Promise<PgbackrestInfo>;
}

export interface RepositoryOptions extends Pick<FilesOptions, "listDeadlineMs"> {
  /** The numbers of those that count; all of the stanza's when absent. Those that are left out are never asked. */
  readonly only?: readonly number[];
  /** For the listing of each repository: 30 s unless told. */
  readonly infoDeadlineMs?: number;
  /** What they have just said, and are not asked again. */
  readonly info?: PgbackrestInfo;
}

const infoDeadlineMsDefault = 30_000;

export function openPgbackrestRepository(
  pgbackrest: Pgbackrest,
  { only, infoDeadlineMs = infoDeadlineMsDefault, listDeadlineMs, info: said }: RepositoryOptions = {},
): PgbackrestRepository {
  const { stanza, repositories } = pgbackrest.config;
  const counted = repositories.filter(({ key }) => only?.includes(key) ?? true);
  const files = counted.map(({ key }) =>
    openFiles(pgbackrest, key, { listDeadlineMs, archiveIds: said && archiveIdsOf(said, key) }),
  );
  const narrowed: Pgbackrest = { ...pgbackrest, config: { ...pgbackrest.config, repositories: counted } };
  const info = async ({ signal }: CallOptions): Promise<PgbackrestInfo> => {
    if (said !== undefined) return said;
    try {
      return await readInfo(narrowed, { signal, deadlineMs: infoDeadlineMs });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  };
  const known = (server: string): void => {
    if (server !== stanza) throw new RangeError(`server ${server} is not the stanza ${stanza}`);
  };
  return {
    location: `${counted.map(locationOfRepository).join(", ")} (stanza ${stanza})`,
    async servers(options) {
      const read = await info(options);
      if (read.repositories.some(({ state }) => state === "Ok" || state === "NoBackup")) return [stanza];
      requireAll(read);
      return [];
    },
    async catalog(server, options) {
      known(server);
      return toCatalog(await info(options));
    },
    info,
    async newestWal(server, options) {
      known(server);
      return await readNewestWal(files, options);
    },
    async missingSegments(server, range, options) {
      known(server);
      return await findMissingSegments(files, range, options);
    },
    async missingFiles(server, wanted, options) {
      known(server);
      return wanted.length === 0 ? [] : await findMissingFiles(files, wanted, options);
    },
    async contents(server, id, options) {
      known(server);
      return await readContents(pgbackrest, await info(options), id, options);
    },
    async holds(server, id, options) {
      known(server);
      return holdsOf(await info(options), id);
    },
    async removeBackup(server, id, options) {
      known(server);
      return await removeBackup(pgbackrest, await info(options), id, options);
    },
    async history(server, timeline, options) {
      known(server);
      return await readHistory(files, timeline, options);
    },
    async historyTimelines(server, options) {
      known(server);
      return await readHistoryTimelines(files, options);
    },
    async owner(server, options) {
      known(server);
      const read = await info(options);
      requireAll(read);
      return await readOwner(read, files, options);
    },
  };
}

const archiveIdsOf = ({ archives }: PgbackrestInfo, key: number): readonly string[] =>
  archives.filter(({ repositoryKey }) => repositoryKey === key).map(({ id }) => id);
