import { describe, expect, it } from "vitest";
import { latestTarget, parseRecoveryTarget, type RecoveryTargetBlock } from "./recovery-target.ts";

const target = (block: RecoveryTargetBlock): unknown => {
  const outcome = parseRecoveryTarget(block);
  return outcome.kind === "target" ? outcome.target : outcome.violations;
};

describe("recoveryTarget of a Cluster", () => {
  it("is the end of all WAL when nothing is given", () => {
    expect(parseRecoveryTarget(undefined)).toEqual({ kind: "target", target: latestTarget });
    expect(target({ targetTime: "", targetTLI: "", backupID: "", targetImmediate: false })).toEqual(latestTarget);
  });

  it.each<[RecoveryTargetBlock, unknown]>([
    [
      { targetTime: "2026-11-21 09:15:00.000001+00" },
      { kind: "time", micros: 1_795_252_500_000_001n, text: "2026-11-21 09:15:00.000001+00" },
    ],
    [{ targetLSN: "0/3000028" }, { kind: "lsn", lsn: 0x3000028n }],
    [{ targetXID: "4294967295" }, { kind: "xid", xid: 4_294_967_295 }],
    [{ targetName: "before-migration" }, { kind: "name", name: "before-migration" }],
    [{ targetImmediate: true }, { kind: "immediate" }],
  ])("%j", (block, goal) => expect(target(block)).toEqual({ ...latestTarget, goal }));

  it("keeps backup, timeline and exclusive", () => {
    expect(target({ backupID: "20261121T091500", targetTLI: "3", exclusive: true })).toEqual({
      goal: { kind: "end" },
      timeline: 3,
      exclusive: true,
      backupId: "20261121T091500",
    });
    expect(target({ targetTLI: "current" })).toMatchObject({ timeline: "current" });
  });

  it.each<[RecoveryTargetBlock, string, RegExp]>([
    [{ targetTime: "tomorrow" }, "targetTime", /must be a time like/],
    [{ targetLSN: "3000028" }, "targetLSN", /must be an LSN/],
    [{ targetXID: "4294967296" }, "targetXID", /below 2\^32/],
    [{ targetXID: "0x10" }, "targetXID", /transaction id/],
    [{ targetName: "é".repeat(32) }, "targetName", /shorter than 64 bytes/],
    [{ targetName: "a\nb" }, "targetName", /control characters/],
    [{ targetTLI: "0" }, "targetTLI", /number from 1/],
    [{ targetTLI: "newest" }, "targetTLI", /"latest"/],
    [{ targetXID: "7", targetLSN: "0/1" }, "targetXID", /only one/],
  ])("refuses %j", (block, field, message) => {
    expect(target(block)).toEqual([{ field, message: expect.stringMatching(message) }]);
  });

  it("tells all faults at once", () => {
    expect(target({ targetTime: "x", targetTLI: "x", targetName: "a", targetImmediate: true })).toHaveLength(3);
  });
});
