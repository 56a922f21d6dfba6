// Writes what is about to be removed into a Stanza's status, at once and not by its next look: it must stand there before
// anything goes.
import { stanzas as stanzaKind } from "#api/kinds.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError } from "#kube/errors.ts";
import { keyOfObject } from "#kube/object.ts";
import type { Findings } from "./findings.ts";
import { bounded, type Removing } from "./removing.ts";
import type { RetentionStatus } from "./retention-plan.ts";
import { statusManager } from "./terms.ts";

export interface NoteDeps {
  readonly client: KubeClient;
  readonly retentions: Findings<RetentionStatus>;
}

/** As it is now: the cache of a process that has just begun to lead may be behind what the last one wrote. */
export async function readRemoving(
  { client, retentions }: NoteDeps,
  stanza: Stanza,
  signal: AbortSignal,
): Promise<readonly Removing[]> {
  const known = retentions.get(stanza.metadata.uid ?? "");
  if (known !== undefined) return known.removing ?? [];
  return (await readNow(client, stanza, signal)).status?.retention?.removing ?? [];
}

/** A look may write the status at the same time. */
const tries = 5;

export async function noteRemoving(
  { client, retentions }: NoteDeps,
  stanza: Stanza,
  removing: readonly Removing[],
  signal: AbortSignal,
): Promise<void> {
  const uid = stanza.metadata.uid ?? "";
  for (let left = tries; ; left--) {
    const now = await readNow(client, stanza, signal);
    const retention = { ...(retentions.get(uid) ?? now.status?.retention), removing: bounded(removing) };
    // First, so that a look which begins when this was written does not leave it out.
    retentions.set(uid, retention);
    const { name, namespace, resourceVersion } = now.metadata;
    const lock = resourceVersion === undefined ? {} : { resourceVersion };
    const metadata = { name, ...(namespace !== undefined && { namespace }), ...lock };
    const applied: Partial<Stanza> & Pick<Stanza, "metadata"> = { metadata, status: { ...now.status, retention } };
    try {
      await client.apply(stanzaKind, applied, { fieldManager: statusManager, subresource: "status", signal });
      return;
    } catch (error) {
      if (!isKubeError(error, "Conflict") || left <= 1) throw error;
    }
  }
}

async function readNow(client: KubeClient, stanza: Stanza, signal: AbortSignal): Promise<Stanza> {
  const now = await client.get<Stanza>(stanzaKind, keyOfObject(stanza), { signal });
  if (now === undefined || now.metadata.uid !== stanza.metadata.uid)
    throw new Error(`Stanza ${stanza.metadata.name} was deleted meanwhile: nothing of it is removed`);
  return now;
}
