// The server's side of the admission benchmark: our webhook server over filled caches.
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeObject } from "#kube/object.ts";
import { ObjectCache } from "#kube/object-cache.ts";
import { issueAuthority, issueLeaf } from "#kube/pki/issue.ts";
import { createLogger } from "#observe/logger.ts";
import { clusterIndexes, createFacts, stanzaIndexes, storeIndexes } from "#webhooks/facts.ts";
import { judge } from "#webhooks/kinds.ts";
import { mutate } from "#webhooks/mutation.ts";
import { serveWebhooks } from "#webhooks/server.ts";
import { clusterNamed, storeNamed } from "./admission-fixture.ts";

const stores = new ObjectCache<ObjectStore>(storeIndexes);
const stanzas = new ObjectCache<Stanza>(stanzaIndexes);
const clusters = new ObjectCache<KubeObject>(clusterIndexes);
for (let index = 0; index < 500; index++) {
  stores.set(storeNamed(index) as ObjectStore);
  clusters.set(clusterNamed(index));
}
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const authority = await issueAuthority(validity);
const leaf = await issueLeaf(authority, { ...validity, usage: "server", dnsNames: ["localhost"] });
const deps = {
  facts: createFacts({ stores, stanzas, clusters, namespaces: { get: () => undefined } }),
  now: () => new Date(),
};
const server = await serveWebhooks(
  {
    host: "127.0.0.1",
    port: 0,
    judge: (request) => judge(request, deps),
    mutate: (request) => mutate(request, deps.facts),
    isReady: () => true,
    logger: createLogger("error"),
  },
  leaf,
);
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000, rssBytes: process.memoryUsage.rss() });
});
process.send?.({ port: server.port, ca: authority.certificate });
