import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segmentBeforeLsn, segmentOfLsn } from "#postgres/segment.ts";
import { catalogByRepository, toBackupRecord, toCatalog } from "./catalog.ts";
import type { BackupInfo, PgbackrestInfo, RepositoryInfo } from "./info.ts";
import { ownerOf } from "./owner.ts";

const repository = (key: number, over: Partial<RepositoryInfo> = {}): RepositoryInfo => ({
  key,
  status: { code: 0, message: "ok" },
  state: "Ok",
  ...over,
});
const backup = (label: string, over: Partial<BackupInfo> = {}): BackupInfo => ({
  label,
  type: "full",
  repositoryKey: 1,
  databaseId: 1,
  references: [],
  endSeconds: 100,
  annotations: {},
  ...over,
});
const info = (over: Partial<PgbackrestInfo> = {}): PgbackrestInfo => ({
  stanza: "main",
  repositories: [repository(1), repository(2)],
  databases: [1, 2].map((repositoryKey) => ({ id: 1, repositoryKey, systemId: "7712545339295462210", version: "15" })),
  archives: [],
  backups: [],
  ...over,
});
const away = repository(2, {
  state: "Unreachable",
  status: { code: 99, message: "[HostConnectError] unable to connect", problem: "EndpointUnreachable" },
});

describe("the catalog of a stanza", () => {
  it("orders the backups of all repositories by their end", () => {
    const backups = [backup("C", { endSeconds: 300, repositoryKey: 2 }), backup("B", { endSeconds: 200 }), backup("A")];
    expect(toCatalog(info({ backups }))).toMatchObject({
      server: "main",
      backups: [{ id: "A" }, { id: "B" }, { id: "C", repository: 2 }],
    });
  });

  it("names a label of two repositories once, with the lowest number, and says so", () => {
    const backups = [backup("A", { repositoryKey: 2 }), backup("A", { repositoryKey: 1 })];
    expect(toCatalog(info({ backups })).backups).toMatchObject([{ id: "A", repository: 1, alsoIn: [2] }]);
  });

  it("is none at all when a repository is not read, but each has its own", () => {
    const half = info({ repositories: [repository(1), away], backups: [backup("A")] });
    expect(() => toCatalog(half)).toThrow(expect.objectContaining({ kind: "EndpointUnreachable" }));
    const each = catalogByRepository(half);
    expect(each).toMatchObject([
      { key: 1, catalog: { backups: [{ id: "A" }] } },
      { key: 2, state: "Unreachable" },
    ]);
    expect(each[1]).not.toHaveProperty("catalog");
  });

  it("takes a repository without the stanza for an empty one", () => {
    const fresh = repository(2, { state: "NoStanza", status: { code: 1, message: "missing stanza path" } });
    expect(toCatalog(info({ repositories: [repository(1), fresh], backups: [backup("A")] })).backups).toHaveLength(1);
  });

  it("finds the size of segments that puts both ends into the segments named", () => {
    const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].map((size) => size * 1024 * 1024);
    fc.assert(
      fc.property(
        fc.constantFrom(...sizes),
        fc.bigInt(40n, 2n ** 40n),
        fc.bigInt(1n, 2n ** 34n),
        (bytes, begin, more) => {
          const names = {
            beginWal: segmentOfLsn(begin, 1, bytes),
            endWal: segmentBeforeLsn(begin + more, 1, bytes),
            beginLsn: begin,
            endLsn: begin + more,
          };
          const { segmentBytes } = toBackupRecord(backup("A", names), []);
          expect(segmentBytes).toBeDefined();
          expect(segmentOfLsn(begin, 1, segmentBytes!)).toBe(names.beginWal);
          expect(segmentBeforeLsn(begin + more, 1, segmentBytes!)).toBe(names.endWal);
        },
      ),
    );
  });
});

describe("the owner of a stanza", () => {
  it("is the system of the newest database, with the Cluster that its newest backup names", () => {
    const annotations = { "holdfast-cluster": "default/pg/7a1e2d9c" };
    const databases = [
      { id: 1, repositoryKey: 1, systemId: "1", version: "15" },
      { id: 2, repositoryKey: 1, systemId: "2", version: "17" },
    ];
    const backups = [
      backup("A", { beginSeconds: 1, annotations: { "holdfast-cluster": "default/old/1" } }),
      backup("B", { databaseId: 2, beginSeconds: 50, annotations }),
      backup("C", { databaseId: 2, beginSeconds: 60 }),
    ];
    expect(ownerOf(info({ databases, backups }))).toEqual({
      systemId: "2",
      cluster: { namespace: "default", name: "pg", uid: "7a1e2d9c" },
      since: new Date(50_000),
    });
  });

  it("is known by its system alone when another program made the backups, and not at all without a stanza", () => {
    expect(ownerOf(info({ backups: [backup("A")] }))).toEqual({ systemId: "7712545339295462210" });
    expect(ownerOf(info({ databases: [] }))).toBeUndefined();
  });
});
