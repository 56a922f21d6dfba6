// backup_label (in a base backup) and the backup history file "….backup" (in the archive): the same lines, the latter
// with the end of the backup too (PostgreSQL: build_backup_content in src/backend/access/transam/xlogbackup.c). Pure.
import { parseLsn } from "./lsn.ts";
import { parseSegmentName, type SegmentName } from "./segment.ts";

export interface BackupLabel {
  /** Where replay must begin: the redo position of the backup's checkpoint. */
  readonly startLsn: bigint;
  readonly startSegment: SegmentName;
  readonly checkpointLsn: bigint;
  /** Absent before PostgreSQL 11. */
  readonly startTimeline?: number;
  readonly method?: string;
  readonly from?: "primary" | "standby";
  /** Text in the server's log_timezone, whose abbreviation need not be unique: never to be computed with. */
  readonly startTimeText?: string;
  readonly label?: string;
  /** Set when the backup is incremental in PostgreSQL's own sense (17 and newer): it is not whole by itself. */
  readonly incrementalFromLsn?: bigint;
  /** Only in backup history files. */
  readonly stop?: { readonly lsn: bigint; readonly segment: SegmentName; readonly timeline?: number };
}

/** Reads either file; undefined when a line that restore depends on is missing or damaged. */
export function parseBackupLabel(text: string): BackupLabel | undefined {
  const lines = readLines(text);
  const start = parseLocation(lines.get("START WAL LOCATION"));
  const checkpointLsn = parseLsn(lines.get("CHECKPOINT LOCATION") ?? "");
  if (start === undefined || checkpointLsn === undefined) return undefined;
  const from = lines.get("BACKUP FROM");
  const startTimeline = parseTimeline(lines.get("START TIMELINE"));
  const incrementalFromLsn = parseLsn(lines.get("INCREMENTAL FROM LSN") ?? "");
  const stop = parseStop(lines);
  return {
    startLsn: start.lsn,
    startSegment: start.segment,
    checkpointLsn,
    ...(startTimeline === undefined ? {} : { startTimeline }),
    ...optionalText("method", lines.get("BACKUP METHOD")),
    ...(from === "primary" || from === "standby" ? { from } : {}),
    ...optionalText("startTimeText", lines.get("START TIME")),
    ...optionalText("label", lines.get("LABEL")),
    ...(incrementalFromLsn === undefined ? {} : { incrementalFromLsn }),
    ...(stop === undefined ? {} : { stop }),
  };
}

function readLines(text: string): ReadonlyMap<string, string> {
  const lines = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([A-Z ]+): (.*)$/.exec(line);
    if (match !== null && !lines.has(match[1] ?? "")) lines.set(match[1] ?? "", match[2] ?? "");
  }
  return lines;
}

/** "0/2000028 (file 000000010000000000000002)" */
function parseLocation(value: string | undefined): { readonly lsn: bigint; readonly segment: SegmentName } | undefined {
  const match = /^(\S+) \(file ([0-9A-F]{24})\)$/.exec(value ?? "");
  const lsn = parseLsn(match?.[1] ?? "");
  const segment = parseSegmentName(match?.[2] ?? "");
  return lsn === undefined || segment === undefined ? undefined : { lsn, segment };
}

function parseStop(lines: ReadonlyMap<string, string>): BackupLabel["stop"] {
  const location = parseLocation(lines.get("STOP WAL LOCATION"));
  if (location === undefined) return undefined;
  const timeline = parseTimeline(lines.get("STOP TIMELINE"));
  return timeline === undefined ? location : { ...location, timeline };
}

const parseTimeline = (value: string | undefined): number | undefined =>
  value !== undefined && /^[1-9]\d{0,9}$/.test(value) ? Number(value) : undefined;

const optionalText = <Key extends string>(key: Key, value: string | undefined): { readonly [K in Key]?: string } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: string };
