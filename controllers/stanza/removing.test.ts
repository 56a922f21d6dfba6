import { describe, expect, it } from "vitest";
import type { RepositoryConfig } from "#repository/pgbackrest/config.ts";
import type { BackupInfo, RepositoryState } from "#repository/pgbackrest/info.ts";
import { removingFrom, settle, stillOpen } from "./removing.ts";

const repository = (key: number): RepositoryConfig =>
  ({
    key,
    type: "s3",
    bucket: "b",
    path: `/r${key}`,
    endpoint: "minio:9000",
    region: "r",
    verifyTls: true,
    keyType: "shared",
    uriStyle: "path",
  }) as unknown as RepositoryConfig;
const backup = (label: string, repositoryKey = 1): BackupInfo => ({
  label,
  type: "full",
  repositoryKey,
  databaseId: 1,
  references: [],
  annotations: {},
});
const listing = (states: readonly RepositoryState[], ...backups: BackupInfo[]) => ({
  repositories: states.map((state, index) => ({ key: index + 1, state, status: { message: "" } })),
  backups,
});
const both = [repository(1), repository(2)];
const removing = [removingFrom(repository(1), ["A", "B"])];

describe("what a run that was cut off was about to remove", () => {
  it("is gone when a listing that can be trusted does not name it, and stays when it does", () => {
    expect(settle(removing, both, listing(["Ok", "NoBackup"], backup("B")))).toEqual({
      gone: [{ repository: 1, location: "s3://b/r1", backups: ["A"] }],
      open: [],
    });
  });

  it("is not gone while another repository has a copy, or may have one", () => {
    expect(settle(removing, both, listing(["Ok", "Ok"], backup("A", 2), backup("B", 2))).gone).toEqual([]);
    expect(settle(removing, both, listing(["Ok", "Unreachable"]))).toEqual({ gone: [], open: removing });
    expect(settle(removing, both, listing(["Ok"]))).toEqual({ gone: [], open: removing });
    expect(settle(removing, both, listing(["NoStanza", "Ok"]))).toEqual({ gone: [], open: removing });
    expect(settle(removing, both, listing(["Ok", "NoStanza"])).gone).toEqual(removing);
  });

  it("is not looked for in another place that has its number now", () => {
    const moved = [{ ...repository(2), key: 1 }];
    expect(settle(removing, moved, listing(["Ok"]))).toEqual({ gone: [], open: [] });
  });

  it("is asked for again after a failure alone, which may have removed some of it", () => {
    const failed = { kind: "failed", repository: 1, why: "w" } as const;
    const nothing = { backups: [], wal: [], leftovers: [], files: [] };
    const removed = { kind: "removed", repository: 1, expired: nothing } as const;
    expect(stillOpen(removing, [], [failed])).toEqual(removing);
    expect(stillOpen(removing, [], [removed])).toEqual([]);
    expect(stillOpen(removing, removing, [removed])).toEqual(removing);
  });
});
