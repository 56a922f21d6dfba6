// What is changed of an object on its way into the API server: a CNPG Backup by this plugin of a Cluster that archives to a
// Stanza is sent to the primary, because Holdfast reads the primary for it and CloudNativePG prefers a standby. Pure.
import { decodeBackup } from "#cnpg/backup.ts";
import { pluginName } from "#cnpg/plugin-config.ts";
import type { Facts } from "./facts.ts";
import type { Mutation } from "./judgement.ts";
import type { AdmissionRequest } from "./review.ts";

const unchanged: Mutation = { patch: [], warnings: [] };

export function mutate(request: AdmissionRequest, facts: Pick<Facts, "destination">): Mutation {
  const { resource, operation, namespace, object } = request;
  if (resource !== "backups.postgresql.cnpg.io" || operation !== "CREATE" || object === undefined) return unchanged;
  if (typeof object["spec"] !== "object" || object["spec"] === null) return unchanged; // refused by its schema
  const { spec } = decodeBackup({ ...object, metadata: { name: "(new)", namespace } });
  if (spec.method !== "plugin" || spec.plugin?.name !== pluginName || spec.target === "primary") return unchanged;
  const destination = facts.destination(namespace, spec.cluster);
  if (destination?.kind !== "Stanza") return unchanged;
  return {
    patch: [{ op: "add", path: "/spec/target", value: "primary" }],
    warnings:
      spec.target === undefined
        ? []
        : [`spec.target: is set to primary: Holdfast reads no standby for Stanza ${destination.name}`],
  };
}
