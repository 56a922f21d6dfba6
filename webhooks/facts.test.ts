import { describe, expect, it } from "vitest";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeObject } from "#kube/object.ts";
import { ObjectCache } from "#kube/object-cache.ts";
import { clusterIndexes, createFacts, stanzaIndexes, storeIndexes } from "./facts.ts";

const stores = new ObjectCache<ObjectStore>(storeIndexes);
const stanzas = new ObjectCache<Stanza>(stanzaIndexes);
const clusters = new ObjectCache<KubeObject>(clusterIndexes);
const facts = createFacts({ stores, stanzas, clusters, namespaces: { get: () => undefined } });

const stanza = (name: string, paths: readonly string[], namespace = "db", inRepository = "main") => {
  const s3Repositories = paths.map((repoPath) => ({ bucket: "b", endpoint: "https://s3.example", repoPath }));
  const spec = { stanzaConfiguration: { name: inRepository, s3Repositories } };
  return { metadata: { name, namespace, uid: `${namespace}/${name}` }, spec } as unknown as Stanza;
};
const cluster = (name: string, parameters: object, namespace = "db", more: object = {}): KubeObject =>
  ({
    metadata: { name, namespace, uid: `c ${namespace}/${name}`, ...more },
    spec: { plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters }] },
    status: { currentPrimary: `${name}-1` },
  }) as KubeObject;

stanzas.set(stanza("one", ["/a", "/b"]));
stanzas.set(stanza("two", ["/b"]));
stanzas.set(stanza("foreign", ["/a"], "other"));
stanzas.set(stanza("named", ["/a"], "db", "another"));
clusters.set(cluster("pg", { stanza: "one" }));
clusters.set(cluster("same", { stanzaRef: "one" }));
clusters.set(cluster("overlap", { stanza: "two" }));
clusters.set(cluster("far", { stanza: "foreign" }, "other"));
clusters.set(cluster("apart", { stanza: "named" }));
clusters.set(cluster("leaving", { stanza: "one" }, "db", { deletionTimestamp: "2026-01-01T00:00:00Z" }));
clusters.set(cluster("barman", { objectStore: "one" }));
clusters.set(cluster("early", { stanza: "later" }));
clusters.set(cluster("early2", { stanza: "later" }));

const sharers = (object: KubeObject): readonly string[] =>
  facts
    .view(object)
    .sharers.map(({ namespace, name }) => `${namespace}/${name}`)
    .toSorted();

describe("what the rules know of Stanzas", () => {
  it("are the living Clusters that archive to one, and no ObjectStore of its name", () => {
    const names = (kind: "Stanza" | "ObjectStore") =>
      facts
        .archivers({ kind, namespace: "db", name: "one" })
        .map(({ cluster: name }) => name)
        .toSorted();
    expect(names("Stanza")).toEqual(["pg", "same"]);
    expect(names("ObjectStore")).toEqual(["barman"]);
  });

  it("are the Clusters that share a repository and the stanza in it, in any namespace and by any Stanza", () => {
    expect(sharers(cluster("pg", { stanza: "one" }))).toEqual(["db/overlap", "db/same", "other/far"]);
    expect(sharers(cluster("apart", { stanza: "named" }))).toEqual([]);
    expect(sharers(cluster("early", { stanza: "later" }))).toEqual(["db/early2"]);
  });

  it("are the clashes that a Stanza would bring at its new place", () => {
    expect(facts.stanzaClashes(stanza("two", ["/x"]))).toEqual([]);
    expect(facts.stanzaClashes(stanza("named", ["/a"]))).toEqual([
      expect.objectContaining({ cluster: "apart", archive: "main" }),
    ]);
  });

  it("are where a Cluster's backups go, and how many repositories there are", () => {
    expect(facts.destination("db", "pg")).toEqual({ kind: "Stanza", name: "one", repositories: 2 });
    expect(facts.destination("db", "early")).toEqual({ kind: "Stanza", name: "later" });
    expect(facts.destination("db", "barman")).toEqual({ kind: "ObjectStore", name: "one" });
    expect(facts.destination("db", "nobody")).toBeUndefined();
  });
});
