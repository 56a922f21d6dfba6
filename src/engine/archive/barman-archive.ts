// The port of wal-archive.ts over an object store in barman's layout.
import { walKey, type WalExtension } from "#repository/barman/layout.ts";
import { downloadWal, downloadWithSuffix } from "./download.ts";
import { createPerArchive, describeArchive, type ArchiveLocation } from "./location.ts";
import type { WalArchive } from "./wal-archive.ts";

/** What is remembered of one archive. */
interface Memory {
  /** The suffix that its files had last: asked for first. */
  extension: WalExtension;
}

const memoryOf = createPerArchive<Memory>(({ compression }) => ({ extension: compression.extension }));

export function barmanArchive(location: ArchiveLocation): WalArchive {
  const memory = memoryOf(location);
  const { superseded, maxParallel } = location;
  return {
    identity: memory,
    description: describeArchive(location),
    maxParallel,
    ...(superseded !== undefined && { superseded }),
    async download(request, path, signal) {
      memory.extension = await downloadWal({ ...request, location }, path, memory.extension, signal);
    },
    downloadAhead: (request, path, signal) =>
      downloadWithSuffix({ ...request, location }, path, memory.extension, signal),
    async probe(name, signal) {
      return (await location.store.head(walKey(location.server, name, memory.extension), { signal })) !== undefined;
    },
  };
}
