import { describe, expect, it } from "vitest";
import type { Backup } from "#api/gen/backup.ts";
import { stanza } from "./plan-fixture.ts";
import { brokenIn } from "./standing.ts";

const backup = (backupId: string, phase: "Completed" | "Failed", changes: Partial<Backup> = {}): Backup => ({
  metadata: { name: backupId.toLowerCase(), namespace: "db" },
  spec: { cluster: { name: "pg" } },
  status: { phase, backupId, repository: { kind: "Stanza", name: "main", uid: "u" } },
  ...changes,
});

describe("what the Backups of a Stanza know of its backups", () => {
  it("are those that were found broken, of this Stanza alone", () => {
    const found = backup("20261120-000000F", "Failed", {
      spec: { repository: { kind: "Stanza", name: "main", serverName: "pg" }, backupId: "20261120-000000F" },
      status: { phase: "Failed" },
    });
    const elsewhere = backup("20261123-000000F", "Failed", { metadata: { name: "x", namespace: "other" } });
    const store = backup("20261124-000000F", "Failed", {
      status: {
        phase: "Failed",
        backupId: "20261124-000000F",
        repository: { kind: "ObjectStore", name: "main", uid: "s" },
      },
    });
    const all = [
      found,
      backup("20261121-000000F", "Failed"),
      backup("20261122-000000F", "Completed"),
      elsewhere,
      store,
    ];
    expect([...brokenIn(stanza(), all)]).toEqual(["20261120-000000F", "20261121-000000F"]);
  });
});
