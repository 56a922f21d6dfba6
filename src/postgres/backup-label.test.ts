import { describe, expect, it } from "vitest";
import { parseBackupLabel } from "./backup-label.ts";

const label = [
  "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)",
  "CHECKPOINT LOCATION: 0/2000060",
  "BACKUP METHOD: streamed",
  "BACKUP FROM: standby",
  "START TIME: 2026-11-21 09:15:00 CET",
  "LABEL: nightly: all",
  "START TIMELINE: 1",
  "",
].join("\n");

describe("backup_label", () => {
  it("tells where replay must begin", () => {
    expect(parseBackupLabel(label)).toEqual({
      startLsn: 0x2000028n,
      startSegment: "000000010000000000000002",
      checkpointLsn: 0x2000060n,
      startTimeline: 1,
      method: "streamed",
      from: "standby",
      startTimeText: "2026-11-21 09:15:00 CET",
      label: "nightly: all",
    });
  });

  it("of a history file has the end too", () => {
    const stop = "STOP WAL LOCATION: 0/3000000 (file 000000010000000000000002)\nSTOP TIMELINE: 1\n";
    expect(parseBackupLabel(label + stop)?.stop).toEqual({
      lsn: 0x3000000n,
      segment: "000000010000000000000002",
      timeline: 1,
    });
    expect(parseBackupLabel(label + stop.slice(0, stop.indexOf("\n")))?.stop).not.toHaveProperty("timeline");
  });

  it("of an incremental backup says on what it builds", () => {
    expect(parseBackupLabel(`${label}INCREMENTAL FROM LSN: 0/1000028\n`)?.incrementalFromLsn).toBe(0x1000028n);
  });

  it("needs no more than the two positions", () => {
    const [start, checkpoint] = label.split("\n");
    expect(parseBackupLabel(`${start}\n${checkpoint}`)).toEqual({
      startLsn: 0x2000028n,
      startSegment: "000000010000000000000002",
      checkpointLsn: 0x2000060n,
    });
  });

  it.each([0, 1])("is damaged without its line %i", (index) => {
    expect(parseBackupLabel(label.split("\n").toSpliced(index, 1).join("\n"))).toBeUndefined();
  });
});
