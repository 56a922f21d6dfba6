// The Clusters that stand behind a store: why it may not be moved or deleted. Pure.
import type { Judgement } from "../judgement.ts";

/** A living Cluster of the namespace that is told to archive to the store. */
export interface Archiver {
  readonly cluster: string;
  /** Folder of the Cluster in an ObjectStore; a Stanza has none. */
  readonly serverName?: string;
  /** Whether, as far as the Cluster shows, none of its WAL can be in the store: it never ran, or archiving fails. */
  readonly archivesNothing: boolean;
}

export interface DeletionSubject {
  readonly archivers: readonly Archiver[];
  /** Everything in a namespace that is going away goes, its Clusters as well. */
  readonly namespaceIsTerminating: boolean;
}

/** `noun` is what people call it: "store". */
export function judgeDeletion(noun: string, { archivers, namespaceIsTerminating }: DeletionSubject): Judgement {
  if (archivers.length === 0 || namespaceIsTerminating) return { problems: [], warnings: [] };
  const hint = "delete it, or let it archive to another store, before this one is deleted";
  const message = `${namedArchivers(archivers)} to this ${noun}`;
  return { problems: [{ field: "metadata.name", message, hint }], warnings: [] };
}

/** "Cluster pg archives", "Clusters pg and pg-2 archive". */
export function namedArchivers(archivers: readonly Archiver[]): string {
  const names = archivers.map(({ cluster }) => cluster).toSorted();
  const shown = names.length > 5 ? [...names.slice(0, 5), `${names.length - 5} more`] : names;
  return names.length === 1 ? `Cluster ${shown[0]} archives` : `Clusters ${joined(shown)} archive`;
}

const joined = (words: readonly string[]): string => `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
