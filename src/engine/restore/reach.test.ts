import { describe, expect, it } from "vitest";
import { parseLsn } from "#postgres/lsn.ts";
import { parseRecoveryTarget, type RecoveryTargetBlock } from "#postgres/recovery-target.ts";
import { defaultSegmentBytes, parseSegmentName } from "#postgres/segment.ts";
import { parseMoment } from "#postgres/timestamp.ts";
import type { BackupRecord } from "#repository/catalog.ts";
import { judgeReach, type ArchiveEnd, type ReachInput } from "./reach.ts";

const backup: BackupRecord = {
  id: "20261121T091500",
  status: "done",
  type: "full",
  tablespaces: [],
  timeline: 1,
  endLsn: parseLsn("0/3000100")!,
};
const end = (over: Partial<ArchiveEnd> = {}): ArchiveEnd => ({
  name: parseSegmentName("000000010000000000000007")!,
  ...over,
});
const committedAt = (text: string): ArchiveEnd => end({ commitTime: parseMoment(text)! });

const judge = (block: RecoveryTargetBlock, over: Partial<ReachInput> = {}): ReturnType<typeof judgeReach> => {
  const parsed = parseRecoveryTarget(block);
  if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.violations));
  return judgeReach({
    backup,
    target: parsed.target,
    end: end(),
    segmentBytes: defaultSegmentBytes,
    missing: [],
    ...over,
  });
};

describe("judgeReach", () => {
  it("reaches a time before the newest commit", () => {
    expect(judge({ targetTime: "2026-11-21T12:00:00Z" }, { end: committedAt("2026-11-21T12:00:01Z") })).toEqual({
      kind: "reachable",
    });
  });

  it("refuses a time after the newest commit, and names that commit", () => {
    const input = { end: committedAt("2026-11-21T12:00:01.123Z") };
    expect(judge({ targetTime: "2026-11-21T12:00:05Z" }, input)).toEqual({
      kind: "unreachable",
      reason: "TargetAfterArchive",
      message:
        "recovery target 2026-11-21T12:00:05Z is after the newest commit in the archive, 2026-11-21T12:00:01.123000Z " +
        "(its last segment is 000000010000000000000007)",
    });
  });

  it("stops at the very time of the newest commit only when the target is exclusive", () => {
    const input = { end: committedAt("2026-11-21T12:00:01Z") };
    expect(judge({ targetTime: "2026-11-21T12:00:01Z" }, input)).toMatchObject({ kind: "unreachable" });
    expect(judge({ targetTime: "2026-11-21T12:00:01Z", exclusive: true }, input)).toEqual({ kind: "reachable" });
  });

  it("does not know about a time when no commit was found or a segment could not be read", () => {
    expect(judge({ targetTime: "2026-11-21T12:00:05Z" })).toMatchObject({
      kind: "unknown",
      why: expect.stringContaining("no commit was found"),
    });
    const damaged = { ...committedAt("2026-11-21T12:00:01Z"), commitTimeUnknown: "segment 8 cannot be read" };
    expect(judge({ targetTime: "2026-11-21T12:00:05Z" }, { end: damaged })).toEqual({
      kind: "unknown",
      why: "segment 8 cannot be read",
    });
  });

  it("does not know the end of a timeline that is not the newest", () => {
    const input = {
      end: { ...committedAt("2026-11-21T12:00:01Z"), name: parseSegmentName("000000020000000000000007")! },
    };
    expect(judge({ targetTime: "2026-11-21T12:00:05Z", targetTLI: "1" }, input)).toMatchObject({ kind: "unknown" });
    expect(judge({ targetTime: "2026-11-21T12:00:05Z", targetTLI: "current" }, input)).toMatchObject({
      kind: "unknown",
    });
    expect(judge({ targetTime: "2026-11-21T12:00:05Z", targetTLI: "2" }, input)).toMatchObject({ kind: "unreachable" });
  });

  it("refuses an LSN from the end of the archive on", () => {
    expect(judge({ targetLSN: "0/7FFFFFF" })).toEqual({ kind: "reachable" });
    expect(judge({ targetLSN: "0/8000000" })).toEqual({
      kind: "unreachable",
      reason: "TargetAfterArchive",
      message:
        "recovery target 0/8000000 is after the end of the archive, 0/8000000 (segment 000000010000000000000007)",
    });
  });

  it("reaches names, transactions and the end as far as it can tell", () => {
    for (const block of [{}, { targetXID: "1000" }, { targetName: "before-upgrade" }])
      expect(judge(block)).toEqual({ kind: "reachable" });
  });

  describe("with a gap in the WAL", () => {
    const gap = { missing: ["000000010000000000000005", "000000010000000000000006"] };

    it("refuses what lies behind the gap, and reaches what lies before", () => {
      expect(judge({ targetLSN: "0/5000000" }, gap)).toEqual({
        kind: "unreachable",
        reason: "WalMissing",
        message:
          "recovery target 0/5000000 cannot be reached, wal 000000010000000000000005 and 1 more not being in the archive",
      });
      expect(judge({ targetLSN: "0/4FFFFFF" }, gap)).toEqual({ kind: "reachable" });
      expect(judge({ targetImmediate: true, backupID: backup.id }, gap)).toEqual({ kind: "reachable" });
    });

    it("never refuses to restore as much as there is", () => {
      expect(judge({}, gap)).toEqual({
        kind: "unknown",
        why: "replay ends at 0/5000000, wal 000000010000000000000005 and 1 more not being in the archive",
      });
    });

    it("refuses a backup that cannot become consistent", () => {
      const missing = ["000000010000000000000003"];
      expect(judge({}, { missing })).toEqual({
        kind: "unreachable",
        reason: "WalMissing",
        message:
          "backup 20261121T091500 cannot become consistent, wal 000000010000000000000003 not being in the archive",
      });
    });
  });

  it("does not call reachable what was not looked through", () => {
    expect(judge({}, { missing: undefined })).toMatchObject({ kind: "unknown" });
  });
});
