import { describe, expect, it } from "vitest";
import { removeBackup } from "./contents.ts";
import type { BackupInfo, PgbackrestInfo } from "./info.ts";
import type { Pgbackrest } from "./pgbackrest.ts";

const full = (label: string, hasPageErrors = false): BackupInfo => ({
  label,
  type: "full",
  repositoryKey: 1,
  databaseId: 1,
  references: [],
  annotations: {},
  hasPageErrors,
});
const [first, second] = ["20261120-000000F", "20261121-000000F"] as const;

const removeFirst = (...backups: BackupInfo[]): Promise<number> => {
  const info: PgbackrestInfo = {
    stanza: "main",
    repositories: [{ key: 1, status: { code: 0, message: "ok" }, state: "Ok" }],
    databases: [],
    archives: [],
    backups,
  };
  const config = { stanza: "main", repositories: [{ key: 1 }] };
  const pgbackrest = { config, run: async () => ({ stdout: "" }) } as unknown as Pgbackrest;
  return removeBackup(pgbackrest, info, first, { signal: AbortSignal.timeout(5_000) });
};

describe("a full backup that is removed by hand", () => {
  it("stays while no other one is whole", async () => {
    await expect(removeFirst(full(first), full(second, true))).rejects.toThrow("only full backup that is whole");
    await expect(removeFirst(full(first))).rejects.toThrow("only full backup");
    await expect(removeFirst(full(first), full(second))).resolves.toBe(1);
  });

  it("goes when it is damaged itself and another one is there", async () => {
    await expect(removeFirst(full(first, true), full(second, true))).resolves.toBe(1);
  });
});
