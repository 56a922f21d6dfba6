import { describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import { MutexBusyError, type Mutex } from "#kube/mutex.ts";
import type { ObjectKey } from "#kube/object.ts";
import { createStanzaMutexes } from "./stanza-mutexes.ts";
import { stanzaIndexes } from "#webhooks/facts.ts";

const repository = (endpoint: string) => ({ bucket: "b", endpoint, region: "r", repoPath: "/pg" });
const stanza = (namespace: string, name: string, endpoint = "s3.example.com"): Stanza => ({
  metadata: { namespace, name },
  spec: { stanzaConfiguration: { name: "pg", s3Repositories: [repository(endpoint)] } },
});
const options = { purpose: "retention", waitMs: 0, signal: new AbortController().signal };

/** Which Leases are held while the work is done; `busy` is held by another. */
function held(stanzas: readonly Stanza[], archivedTo: readonly string[], busy?: string) {
  const now = new Set<string>();
  const mutexOf = ({ namespace, name }: ObjectKey): Mutex => ({
    async hold({ signal }, work) {
      const key = `${namespace}/${name}`;
      if (key === busy) throw new MutexBusyError({ name }, "pg-1", "backup");
      now.add(key);
      try {
        return await work(signal);
      } finally {
        now.delete(key);
      }
    },
  });
  const mutexes = createStanzaMutexes({
    mutexOf,
    stanzas: { byIndex: (_, value) => stanzas.filter((each) => stanzaIndexes.location(each).includes(value)) },
    clusters: { byIndex: (_, value) => (archivedTo.includes(value) ? [{ metadata: { name: "pg" } }] : []) },
  });
  return mutexes(stanzas[0]!).hold(options, async () => [...now]);
}

describe("who removes something from a stanza", () => {
  it("keeps out the backups of every Cluster that archives to the same data", async () => {
    const all = [
      stanza("restore", "copy"),
      stanza("prod", "main"),
      stanza("dev", "unused"),
      stanza("prod", "elsewhere", "s3.example.org"),
    ];
    expect(await held(all, ["Stanza/prod/main", "Stanza/prod/elsewhere"])).toEqual([
      "prod/holdfast-stanza-main",
      "restore/holdfast-stanza-copy",
    ]);
  });

  it("says of another namespace only that it is in use", async () => {
    const all = [stanza("restore", "copy"), stanza("prod", "main")];
    const busy = held(all, ["Stanza/prod/main"], "prod/holdfast-stanza-main");
    await expect(busy).rejects.toThrow(MutexBusyError);
    await expect(busy).rejects.not.toThrow(/pg-1|stanza-main/);
    const own = held(all, ["Stanza/prod/main"], "restore/holdfast-stanza-copy");
    await expect(own).rejects.toThrow("pg-1 holds the Lease holdfast-stanza-copy for backup");
  });
});
