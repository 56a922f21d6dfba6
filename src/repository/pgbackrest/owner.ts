// Whose archive a stanza is: the system that its repositories were made for, and the Cluster that made its newest backup,
// or left its mark before the first one.
import { text } from "node:stream/consumers";
import type { CallOptions } from "#store/store.ts";
import { parseOwner } from "../barman/owner.ts";
import type { Owner } from "../repository.ts";
import { clusterAnnotation, parseCluster } from "./annotations.ts";
import { isPgbackrestError } from "./errors.ts";
import type { RepositoryFiles } from "./files.ts";
import type { PgbackrestInfo } from "./info-json.ts";
import { ownerMarkPath } from "./layout.ts";

/** Asks the repositories for a mark only when no backup tells. */
export async function readOwner(
  info: PgbackrestInfo,
  repositories: readonly RepositoryFiles[],
  options: CallOptions,
): Promise<Owner | undefined> {
  const owner = ownerOf(info);
  if (owner === undefined || owner.cluster !== undefined) return owner;
  for (const files of repositories) {
    const mark = await readMark(files, options);
    if (mark !== undefined) return { ...mark, systemId: owner.systemId };
  }
  return owner;
}

async function readMark(files: RepositoryFiles, options: CallOptions): Promise<Owner | undefined> {
  try {
    const content = await files.read(ownerMarkPath(files.stanza), text, options);
    return content === undefined ? undefined : parseOwner(content);
  } catch (error) {
    // Of an encrypted repository pgBackRest reads only what it wrote itself.
    if (isPgbackrestError(error, "Config")) return undefined;
    throw error;
  }
}

/** Pure. Undefined while no repository has the stanza. */
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
