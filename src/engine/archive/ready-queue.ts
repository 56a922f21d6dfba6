// The WAL files that PostgreSQL has marked ready, read from pg_wal/archive_status. The directory can hold 100 000 marks
// when a backlog is large, so one reading keeps the first names in archive order for many calls.
import { opendir } from "node:fs/promises";
import { parseWalFileName } from "#postgres/segment.ts";
import { compareArchiveOrder } from "./plan.ts";

/** Names kept from one reading: enough for hundreds of calls, and sorting them takes a millisecond. */
const keptNamesMax = 1024;
const suffix = ".ready";

export interface ReadyFiles {
  /** The first names in archive order, without ".ready". */
  readonly names: readonly string[];
  /** How many there were in all. */
  readonly count: number;
}

/**
 * Reads the archive_status directory once. Marks with names that are no WAL file are ignored, as PostgreSQL does.
 * Entries come in pieces, so a huge directory does not hold up other calls.
 */
export async function readReadyFiles(archiveStatus: string, signal: AbortSignal): Promise<ReadyFiles> {
  let names: string[] = [];
  let count = 0;
  let last: string | undefined;
  for await (const entry of await opendir(archiveStatus, { bufferSize: 1024 })) {
    signal.throwIfAborted();
    if (!entry.name.endsWith(suffix)) continue;
    const name = entry.name.slice(0, -suffix.length);
    if (parseWalFileName(name) === undefined) continue;
    count++;
    if (last !== undefined && compareArchiveOrder(name, last) > 0) continue;
    names.push(name);
    if (names.length < 2 * keptNamesMax) continue;
    names = names.sort(compareArchiveOrder).slice(0, keptNamesMax);
    last = names.at(-1);
  }
  return { names: names.sort(compareArchiveOrder).slice(0, keptNamesMax), count };
}
