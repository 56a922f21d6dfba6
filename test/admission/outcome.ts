// Sends one object as a client that checks nothing itself, and tells what the API server answered.
import type { KubeClient } from "#kube/client.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { backups, backupSchedules, objectStores, stanzas } from "#api/kinds.ts";
import { clusters } from "#cnpg/resources.ts";

export const resources = {
  ObjectStore: objectStores,
  Stanza: stanzas,
  Backup: backups,
  BackupSchedule: backupSchedules,
  Cluster: clusters,
} as const;
export type Kind = keyof typeof resources;

/** The refusal's text; undefined when the object was stored. */
export async function refusalOf(
  client: KubeClient,
  resource: Resource,
  object: KubeObject,
): Promise<string | undefined> {
  try {
    await client.create(resource, object, { signal: AbortSignal.timeout(30_000) });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
