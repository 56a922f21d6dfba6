// Gives the sidecars of a Cluster what they may do, before its pods are made: called from CNPG's Pre hook on every
// replica, and by the leader when a store changes. Remembers what it applied, because the hook comes many times a minute.
import { createHash } from "node:crypto";
import { instanceReports } from "#api/kinds.ts";
import { serviceAccountName, type Cluster } from "#cnpg/cluster.ts";
import { readPluginConfig } from "#cnpg/plugin-config.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Resource } from "#kube/object.ts";
import { BoundedMap } from "#std/bounded-map.ts";
import type { StoreCaches } from "../repositories.ts";
import { planAccess } from "./access.ts";

const rbac = { group: "rbac.authorization.k8s.io", version: "v1", namespaced: true } as const;
const roles: Resource = { ...rbac, kind: "Role", plural: "roles" };
const roleBindings: Resource = { ...rbac, kind: "RoleBinding", plural: "rolebindings" };

/** What was applied longer ago is applied again, so that a Role deleted by hand comes back. */
const trustMs = 60_000;
const rememberedMax = 10_000;

export interface AccessKeeper {
  ensure(cluster: Cluster, signal: AbortSignal): Promise<void>;
}

export function createAccessKeeper(
  client: KubeClient,
  caches: { readonly [Kind in keyof StoreCaches]: Pick<StoreCaches[Kind], "get"> },
): AccessKeeper {
  const applied = new BoundedMap<string, { readonly digest: string; readonly at: number }>(rememberedMax);

  return {
    async ensure(cluster, signal) {
      const { namespace, name, uid = "" } = cluster.metadata;
      const { stores: referred, own } = readPluginConfig(cluster);
      const named = (kind: "ObjectStore" | "Stanza"): string[] =>
        referred.filter((store) => store.kind === kind).map((store) => store.name);
      const [storeNames, stanzaNames] = [named("ObjectStore"), named("Stanza")];
      const ownStanza = own?.kind === "store" && own.store.kind === "Stanza" ? own.store.name : undefined;
      const access = planAccess({
        cluster: { namespace, name, uid },
        serviceAccount: serviceAccountName(cluster),
        storeNames,
        stores: storeNames.flatMap((store) => caches.stores.get({ namespace, name: store }) ?? []),
        stanzaNames,
        stanzas: stanzaNames.flatMap((stanza) => caches.stanzas.get({ namespace, name: stanza }) ?? []),
        ...(ownStanza !== undefined && { ownStanza }),
      });
      const digest = createHash("sha256").update(JSON.stringify(access)).digest("base64");
      const known = applied.get(uid);
      if (known?.digest === digest && performance.now() - known.at < trustMs) return;
      const options = { fieldManager: "holdfast-access", signal };
      await client.apply(roles, access.role, options);
      await client.apply(roleBindings, access.binding, options);
      await client.apply(instanceReports, access.report, options);
      applied.set(uid, { digest, at: performance.now() });
    },
  };
}
