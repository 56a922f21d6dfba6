import { describe, expect, it } from "vitest";
import { parseSegmentName, type SegmentName } from "#postgres/segment.ts";
import { parseMoment } from "#postgres/timestamp.ts";
import type { BackupRecord, Catalog } from "./catalog.ts";
import { recoveryWindow } from "./recovery-window.ts";

const segment = (number: number, timeline = 1): SegmentName =>
  parseSegmentName([timeline, 0, number].map((part) => part.toString(16).toUpperCase().padStart(8, "0")).join(""))!;
const at = (time: string): Date => new Date(`2026-11-21T${time}Z`);
const micros = (time: string): bigint => parseMoment(`2026-11-21T${time}Z`)!;

const backup = (end: string, wal: number, more: Partial<BackupRecord> = {}): BackupRecord => ({
  id: `20261121T${end.replaceAll(":", "")}`,
  status: "done",
  type: "full",
  endTime: at(end),
  beginWal: segment(wal),
  endWal: segment(wal + 1),
  tablespaces: [],
  ...more,
});
const catalog = (...backups: BackupRecord[]): Catalog => ({ server: "pg", backups, unreadable: [] });

const first = backup("08:00:00", 10);
const second = backup("10:00:00", 20);
const newestWal = { name: segment(30), commitTime: micros("11:30:00.123456") };

describe("the recovery window", () => {
  it("goes from the end of the oldest backup to just before the newest commit", () => {
    expect(recoveryWindow({ catalog: catalog(first, second), newestWal })).toEqual({
      firstRecoverabilityPoint: at("08:00:00"),
      lastSuccessfulBackup: at("10:00:00"),
      windowFrom: at("08:00:00"),
      windowTo: at("11:30:00.123"),
      latestTargetTime: at("11:30:00.123"),
    });
  });

  it("ends before a commit on the full millisecond, which recovery would wait to see passed", () => {
    const window = recoveryWindow({
      catalog: catalog(first),
      newestWal: { name: segment(30), commitTime: micros("11:30:00.123") },
    });
    expect(window.windowTo).toEqual(at("11:30:00.122"));
  });

  it("has nothing without a backup, and no end without WAL", () => {
    expect(recoveryWindow({ catalog: catalog(), newestWal })).toEqual({});
    expect(recoveryWindow({ catalog: catalog(first), newestWal: undefined })).toEqual({
      firstRecoverabilityPoint: at("08:00:00"),
      lastSuccessfulBackup: at("08:00:00"),
      windowFrom: at("08:00:00"),
    });
  });

  it("is that of the present database system, and of all when no system is told", () => {
    const before = backup("07:00:00", 5, { systemId: "15" });
    const after = backup("09:00:00", 15, { systemId: "17" });
    const all = catalog(before, after);
    expect(recoveryWindow({ catalog: all, systemId: "17", newestWal }).windowFrom).toEqual(at("09:00:00"));
    expect(recoveryWindow({ catalog: catalog(before), systemId: "17", newestWal })).toEqual({});
    expect(recoveryWindow({ catalog: all, newestWal }).windowFrom).toEqual(at("07:00:00"));
    expect(recoveryWindow({ catalog: catalog(first), systemId: "17", newestWal }).windowFrom).toEqual(at("08:00:00"));
  });

  it("counts finished backups only", () => {
    const failed = backup("07:00:00", 5, { status: "failed" });
    const { endTime: _, ...endless } = backup("07:30:00", 6);
    expect(recoveryWindow({ catalog: catalog(failed, endless, second), newestWal })).toMatchObject({
      firstRecoverabilityPoint: at("10:00:00"),
      windowFrom: at("10:00:00"),
    });
  });

  it("ends at the end of a backup after which nothing was committed", () => {
    const idle = { name: segment(21), commitTime: micros("09:00:00") };
    expect(recoveryWindow({ catalog: catalog(first, second), newestWal: idle })).toMatchObject({
      windowTo: at("10:00:00"),
      latestTargetTime: at("08:59:59.999"),
    });
    expect(recoveryWindow({ catalog: catalog(second), newestWal: idle })).toEqual({
      firstRecoverabilityPoint: at("10:00:00"),
      lastSuccessfulBackup: at("10:00:00"),
      windowFrom: at("10:00:00"),
      windowTo: at("10:00:00"),
    });
    expect(recoveryWindow({ catalog: catalog(second), newestWal: { name: segment(21) } }).windowTo).toEqual(
      at("10:00:00"),
    );
  });

  it("has no end when the WAL does not reach the end of any backup", () => {
    const behind = { name: segment(20), commitTime: micros("09:00:00") };
    expect(recoveryWindow({ catalog: catalog(second), newestWal: behind })).not.toHaveProperty("windowTo");
    expect(recoveryWindow({ catalog: catalog(second), newestWal: { name: segment(20) } })).not.toHaveProperty(
      "windowTo",
    );
    const { endWal: _, ...unknown } = second;
    expect(recoveryWindow({ catalog: catalog(unknown), newestWal: { name: segment(30) } })).not.toHaveProperty(
      "windowTo",
    );
  });

  it("begins after a gap in the WAL", () => {
    const gaps = [{ first: segment(15), last: segment(16) }];
    expect(recoveryWindow({ catalog: catalog(first, second), newestWal, gaps })).toMatchObject({
      firstRecoverabilityPoint: at("08:00:00"),
      windowFrom: at("10:00:00"),
    });
    const firstSegmentOnly = [{ first: segment(20), last: segment(20) }];
    expect(recoveryWindow({ catalog: catalog(second), newestWal, gaps: firstSegmentOnly })).not.toHaveProperty(
      "windowFrom",
    );
  });

  it("is closed by a gap after the newest backup", () => {
    const gaps = [{ first: segment(25), last: segment(25) }];
    expect(recoveryWindow({ catalog: catalog(first, second), newestWal, gaps })).toEqual({
      firstRecoverabilityPoint: at("08:00:00"),
      lastSuccessfulBackup: at("10:00:00"),
    });
  });

  it("trusts no backup over a gap when its begin is unknown", () => {
    const { beginWal: _, ...unknown } = second;
    const gaps = [{ first: segment(1), last: segment(1) }];
    expect(recoveryWindow({ catalog: catalog(unknown), newestWal, gaps })).not.toHaveProperty("windowFrom");
  });
});
