import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import type { EventText } from "#kube/events.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { Catalogs } from "../catalogs.ts";
import { stanzaReconcile, type StanzaDeps } from "./controller.ts";
import { Findings } from "./findings.ts";
import { stanza } from "./plan-fixture.ts";
import type { VerificationStatus } from "./verification.ts";

describe("a look at a Stanza", () => {
  it("shows damage that a verification found, and tells it once", async () => {
    let object: Stanza = stanza();
    const told: EventText[] = [];
    const verifications = new Findings<VerificationStatus>();
    const none = { get: () => undefined, list: () => [], byIndex: () => [] };
    const deps = {
      client: {
        get: async () => object,
        apply: async (_: Resource, applied: Stanza) => (object = { ...object, ...applied, spec: object.spec }),
      },
      stanzas: { get: () => ({ ...object, metadata: stanza().metadata }) },
      archives: none,
      backups: none,
      clusters: none,
      reports: none,
      catalogs: new Catalogs(),
      retentions: new Findings(),
      verifications,
      openStanza: () => Promise.reject(new Error("there is no pgbackrest")),
      events: { record: async (_: KubeObject, event: EventText) => void told.push(event) },
    } as unknown as StanzaDeps;
    const reconcile = stanzaReconcile(deps);
    const look = () =>
      reconcile({ namespace: "db", name: "main" }, AbortSignal.timeout(5_000), pino({ level: "silent" }));
    const shown = () => object.status?.conditions?.find(({ type }) => type === "Verified");

    await look();
    expect(shown()).toBeUndefined();
    verifications.set("u", { state: "Failed", message: "backup 20261120-000000F is damaged", damaged: ["s3://b/r"] });
    for (let times = 0; times < 3; times++) await look();
    expect(shown()).toMatchObject({ status: "False", message: "backup 20261120-000000F is damaged" });
    expect(told.filter(({ reason }) => reason === "VerificationFailed")).toEqual([
      { type: "Warning", reason: "VerificationFailed", message: "backup 20261120-000000F is damaged" },
    ]);
  });
});
