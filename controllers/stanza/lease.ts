// The Lease under which those who change a stanza take turns. The operator makes it, since a sidecar may only use one by
// its name; it goes with the Stanza.
import { stanzaLease } from "#api/names.ts";
import { apiVersion } from "#api/kinds.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import { isKubeError, isNamespaceTerminating } from "#kube/errors.ts";
import { leases, type Lease } from "#kube/leader.ts";

/** Made when it is missing, never changed: whoever holds it writes it. */
export async function ensureLease(client: KubeClient, { metadata }: Stanza, signal: AbortSignal): Promise<void> {
  const { name: stanza, namespace = "", uid = "" } = metadata;
  const name = stanzaLease(stanza);
  if ((await client.get<Lease>(leases, { namespace, name }, { signal })) !== undefined) return;
  const lease: Lease = {
    metadata: {
      name,
      namespace,
      labels: { "app.kubernetes.io/managed-by": "holdfast" },
      ownerReferences: [{ apiVersion, kind: "Stanza", name: stanza, uid, controller: true }],
    },
    spec: {},
  };
  try {
    await client.create(leases, lease, { signal });
  } catch (error) {
    // Another one made it, or the namespace goes.
    if (!isKubeError(error, "AlreadyExists") && !isNamespaceTerminating(error)) throw error;
  }
}
