import { describe, expect, it } from "vitest";
import type { SegmentName } from "#postgres/segment.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { formerSystems, newestSegment, presentSystem } from "./systems.ts";
import type { ObservedRepository, RepositoryContent } from "./terms.ts";

const segment = (number: number) => `0000000100000000000000${number}` as SegmentName;
const backup = (id: string, systemId: string, endTime: string): BackupRecord => ({
  id,
  systemId,
  endTime: new Date(endTime),
  status: "done",
  type: "full",
  tablespaces: [],
});
const repository = (key: number, content?: Partial<RepositoryContent>): ObservedRepository => ({
  key,
  type: "s3",
  location: `s3://b/r${key}`,
  state: "Ok",
  checks: [],
  isRead: true,
  ...(content && {
    content: { catalog: { server: "pg", backups: [], unreadable: [] }, backups: [], encrypted: true, ...content },
  }),
});
const holding = (...backups: readonly BackupRecord[]) => ({ catalog: { server: "pg", backups, unreadable: [] } });

const old = backup("20261120-000000F", "15", "2026-11-20T00:00:00Z");
const newer = backup("20261121-000000F", "15", "2026-11-21T00:00:00Z");
const upgraded = backup("20261122-000000F", "17", "2026-11-22T00:00:00Z");
const former = [{ systemId: "15", version: "15", newestWal: segment(12) }];

describe("the systems of a stanza", () => {
  it("are one while nothing was upgraded", () => {
    const one = [repository(1, { ...holding(old), systemId: "15", databaseId: 1 }), repository(2)];
    expect(presentSystem(one)).toBe("15");
    expect(formerSystems(one)).toEqual([]);
    expect(presentSystem([repository(1)])).toBeUndefined();
  });

  it("tell of the one before a major upgrade, over all repositories", () => {
    const later = [{ ...former[0]!, newestWal: segment(13) }];
    const both = [
      repository(1, { ...holding(old, upgraded), systemId: "17", databaseId: 2, former }),
      repository(2, { ...holding(newer), systemId: "17", databaseId: 2, former: later }),
    ];
    expect(presentSystem(both)).toBe("17");
    expect(formerSystems(both)).toEqual([
      { systemID: "15", postgresVersion: "15", backups: 2, windowFrom: "2026-11-20T00:00:00Z", lastWal: segment(13) },
    ]);
  });

  it("are those of the repository that was upgraded while another one was away", () => {
    const behind = repository(1, { ...holding(old), systemId: "15", databaseId: 1 });
    const ahead = repository(2, { ...holding(upgraded), systemId: "17", databaseId: 2, former });
    expect(presentSystem([behind, ahead])).toBe("17");
    expect(formerSystems([behind, ahead])).toMatchObject([{ systemID: "15", backups: 1 }]);
  });

  it("end with the newest segment of the present one, whatever timeline the former one was on", () => {
    const onTimeline2 = `00000002${segment(12).slice(8)}` as SegmentName;
    const behind = repository(1, { systemId: "15", databaseId: 1, newestWal: onTimeline2 });
    const ahead = repository(2, { systemId: "17", databaseId: 2, newestWal: segment(14), former });
    expect(newestSegment([behind, ahead])).toBe(segment(14));
    expect(newestSegment([behind])).toBe(onTimeline2);
  });
});
