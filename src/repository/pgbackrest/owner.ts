// Whose archive a stanza is: the system that its repositories were made for, and the Cluster that made its newest backup.
// Pure.
import type { Owner } from "../repository.ts";
import { clusterAnnotation, parseCluster } from "./annotations.ts";
import type { PgbackrestInfo } from "./info-json.ts";

/** Undefined while no repository has the stanza. */
export function ownerOf({ databases, backups }: PgbackrestInfo): Owner | undefined {
  const present = databases.toSorted((a, b) => b.id - a.id || a.repositoryKey - b.repositoryKey);
  const systemId = present.find((database) => database.systemId !== undefined)?.systemId;
  if (systemId === undefined) return undefined;
  const ours = new Set(
    databases
      .filter((database) => database.systemId === systemId)
      .map(({ id, repositoryKey }) => `${repositoryKey}/${id}`),
  );
  const made = backups.filter(({ databaseId, repositoryKey }) => ours.has(`${repositoryKey}/${databaseId}`));
  const cluster = made.map(({ annotations }) => parseCluster(annotations[clusterAnnotation])).findLast(Boolean);
  const since = Math.min(...made.flatMap(({ beginSeconds }) => beginSeconds ?? []));
  return {
    systemId,
    ...(cluster && { cluster }),
    ...(Number.isFinite(since) && { since: new Date(since * 1000) }),
  };
}
