import { describe, expect, it } from "vitest";
import { decodeCluster } from "#cnpg/cluster.ts";
import { createLogger } from "#observe/logger.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { createRecoveryGate, type RecoveryGateDeps } from "./recovery-gate.ts";

const cluster = (name: string) =>
  decodeCluster({
    metadata: { name, namespace: "db", uid: name },
    spec: {
      bootstrap: { recovery: { source: "origin", recoveryTarget: { targetTime: "2026-11-20 00:00:00Z" } } },
      externalClusters: [{ name: "origin", plugin: { name: "holdfast.dev", parameters: { stanza: "main" } } }],
    },
  });

/** A stanza with two repositories that have no backup; `away` do not answer. */
function gate(...away: number[]) {
  const asked: string[] = [];
  const run: Pgbackrest["run"] = async (command, { repository = 0 }) => {
    if (away.includes(repository)) throw new PgbackrestError("Unreachable", `pgbackrest ${command}: no answer`);
    const status = { code: 2, message: "no valid backups" };
    const repo = [{ key: repository, cipher: "none", status }];
    return { code: 0, stdout: JSON.stringify([{ name: "pg", db: [], archive: [], backup: [], repo, status }]) };
  };
  const repositories = [1, 2].map((key) => ({ key, type: "s3", bucket: "b", path: `/r${key}` }));
  const config = { stanza: "pg", repositories } as unknown as StanzaConfig;
  const stanzas = {
    source: {
      get: async (name: string) => {
        asked.push(name);
        return { store: { config, run } as unknown as Pgbackrest };
      },
    },
  } as unknown as RecoveryGateDeps["stanzas"];
  const stores = { source: {} } as unknown as RecoveryGateDeps["stores"];
  const made = createRecoveryGate({ stores, stanzas, logger: createLogger("error") });
  return { asked, check: (name = "restored") => made.check(cluster(name), AbortSignal.timeout(5_000)) };
}

describe("recovery from a Stanza", () => {
  it("is stopped when no repository has a backup to begin from, and asked once for hooks in a row", async () => {
    const { asked, check } = gate();
    await expect(check()).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    await expect(check()).rejects.toThrow(/backup/);
    expect(asked).toEqual(["db/main"]);
  });

  it("is not stopped while a repository does not answer, which may have it", async () => {
    await gate(2).check();
    await gate(1, 2).check();
  });
});
