import { describe, expect, it } from "vitest";
import { mutate } from "./mutation.ts";
import type { AdmissionRequest } from "./review.ts";
import type { Destination } from "./rules/destination.ts";

const facts = {
  destination: (namespace: string, cluster: string): Destination | undefined =>
    namespace !== "db"
      ? undefined
      : ({ pg: { kind: "Stanza", name: "main" }, old: { kind: "ObjectStore", name: "minio" } } as const)[cluster],
};

const request = (spec: unknown, more: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  uid: "u",
  operation: "CREATE",
  resource: "backups.postgresql.cnpg.io",
  group: "postgresql.cnpg.io",
  kind: "Backup",
  namespace: "db",
  name: "",
  object: { spec },
  ...more,
});

const ours = { method: "plugin", pluginConfiguration: { name: "holdfast.dev" }, cluster: { name: "pg" } };
const toPrimary = [{ op: "add", path: "/spec/target", value: "primary" }];

describe("a CNPG Backup into a Stanza", () => {
  it("is sent to the primary, also one without a name yet", () => {
    expect(mutate(request(ours), facts)).toEqual({ patch: toPrimary, warnings: [] });
  });

  it("is sent there with a word when it asks for a standby", () => {
    const { patch, warnings } = mutate(request({ ...ours, target: "prefer-standby" }), facts);
    expect(patch).toEqual(toPrimary);
    expect(warnings).toEqual(["spec.target: is set to primary: Holdfast reads no standby for Stanza main"]);
  });

  it.each<[string, AdmissionRequest]>([
    ["when it goes there already", request({ ...ours, target: "primary" })],
    ["into an ObjectStore", request({ ...ours, cluster: { name: "old" }, target: "prefer-standby" })],
    ["of a Cluster that is not known", request({ ...ours, cluster: { name: "later" } })],
    ["by another plugin", request({ ...ours, pluginConfiguration: { name: "barman-cloud.cloudnative-pg.io" } })],
    ["by snapshots", request({ ...ours, method: "volumeSnapshot" })],
    ["when it is changed later", request(ours, { operation: "UPDATE" })],
    ["of ours, which the operator turns into one", request(ours, { resource: "backups.holdfast.dev" })],
    ["without a spec", request(undefined)],
  ])("is left alone %s", (_, given) => {
    expect(mutate(given, facts)).toEqual({ patch: [], warnings: [] });
  });
});
