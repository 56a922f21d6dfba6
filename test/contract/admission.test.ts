// Admission as the API server meets it: real kinds, the real configuration, our server; what is refused is not stored.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeClient } from "#kube/client.ts";
import { refusalOf, resources } from "../admission/outcome.ts";
import { startAdmission, type AdmissionUnderTest } from "./admission-server.ts";
import { type ApiServer, startApiServer, waitUntil } from "./api-server.ts";
import { adminClient } from "./kube-widget.ts";

let api: ApiServer;
let client: KubeClient & { close(): void };
let admission: AdmissionUnderTest;
beforeAll(async () => {
  api = await startApiServer();
  client = await adminClient(api);
  admission = await startAdmission(client);
  await waitUntil("admission answers", async () => {
    const probe = {
      metadata: { name: "probe", namespace: "default" },
      spec: { configuration: { destinationPath: "x" } },
    };
    return /admission webhook/.test((await refusalOf(client, resources.ObjectStore, probe)) ?? "");
  });
});
afterAll(async () => {
  await admission?.stop();
  client?.close();
  await api?.stop();
});

describe("an object", () => {
  it("with a mistake is refused", async () => {
    const spec = { configuration: { destinationPath: "s3://backups/", wal: { compresion: "gzip" } } };
    const refusal = await refusalOf(client, resources.ObjectStore, {
      metadata: { name: "misspelt", namespace: "default" },
      spec,
    } as never);
    expect(refusal).toContain("spec.configuration.wal.compresion: unknown field (did you mean compression?)");
  });
});
