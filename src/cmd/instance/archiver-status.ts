// One word about archiving, of the archivers of both engines: a Cluster archives to one store at a time, but that may have
// been the other one before. Pure.
import type { ArchiverStatus } from "#engine/archive/archiver.ts";
import type { StanzaArchiverStatus } from "#engine/pgbackrest/archiver.ts";

export function mergedStatus(objectStore: ArchiverStatus, stanza: StanzaArchiverStatus): StanzaArchiverStatus {
  const { gaps, warning } = stanza;
  const newest = activityOf(stanza) >= activityOf(objectStore) ? stanza : objectStore;
  const { lastArchived, lastFailure, ready } = newest;
  const sum = (name: "failures" | "files" | "bytes" | "storedBytes"): number => objectStore[name] + stanza[name];
  return {
    failures: sum("failures"),
    files: sum("files"),
    bytes: sum("bytes"),
    storedBytes: sum("storedBytes"),
    gaps,
    ...(warning !== undefined && { warning }),
    ...(lastArchived && { lastArchived }),
    ...(lastFailure && { lastFailure }),
    ...(ready !== undefined && { ready }),
  };
}

/** When it was asked last, as far as that left a trace. */
const activityOf = ({ lastArchived, lastFailure }: ArchiverStatus): number =>
  Math.max(lastArchived?.at.getTime() ?? 0, lastFailure?.at.getTime() ?? 0);
