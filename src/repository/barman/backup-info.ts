// backup.info, the record that barman-cloud 3.19 keeps of each backup: lines "key=value" in the order of their keys,
// "None" for what is absent, Python literals for a few (facts from files that it wrote, and from its reading ours).
// It is uploaded last, so a backup without it is not finished. Pure.
import { formatLsn, parseLsn } from "#postgres/lsn.ts";
import { defaultSegmentBytes, isSegmentBytes, parseSegmentName, type SegmentName } from "#postgres/segment.ts";
import { formatMicros, parseMoment } from "#postgres/timestamp.ts";
import { formatPythonLiteral, formatPythonText, parsePythonLiteral, type PythonValue } from "./python-literal.ts";

export const barmanStatuses = ["EMPTY", "STARTED", "FAILED", "WAITING_FOR_WALS", "DONE", "SYNCING"] as const;
export type BarmanStatus = (typeof barmanStatuses)[number];

export interface Tablespace {
  readonly name: string;
  readonly oid: number;
  readonly location: string;
}

export interface BackupInfo {
  readonly status: BarmanStatus;
  readonly backupName?: string;
  /** The content of backup_label. */
  readonly backupLabel?: string;
  /** Microseconds since 1970. */
  readonly beginTime?: bigint;
  readonly endTime?: bigint;
  readonly beginWal?: SegmentName;
  readonly endWal?: SegmentName;
  readonly beginLsn?: bigint;
  readonly endLsn?: bigint;
  readonly timeline?: number;
  /** Decimal text. */
  readonly systemId?: string;
  /** server_version_num */
  readonly version?: number;
  readonly segmentBytes: number;
  /** cluster_size: bytes of the databases when the backup began. */
  readonly clusterBytes?: number;
  /** size: bytes of the stored objects; barman-cloud leaves it out. */
  readonly storedBytes?: number;
  readonly pgdata?: string;
  readonly configFile?: string;
  readonly hbaFile?: string;
  readonly identFile?: string;
  /** "on" or "off", as SHOW data_checksums and, from PostgreSQL 17 on, SHOW summarize_wal say. */
  readonly dataChecksums?: string;
  readonly summarizeWal?: string;
  readonly tablespaces: readonly Tablespace[];
  /** Durations in seconds; what barman shows of them are total_time and number_of_workers. */
  readonly copyStats?: PythonValue;
  readonly error?: string;
}

export type BackupInfoRead =
  /** `stray`: lines that are none of barman's, which some S3 servers add; barman's own tools stumble over them. */
  | { readonly kind: "info"; readonly info: BackupInfo; readonly stray: readonly string[] }
  | { readonly kind: "unreadable"; readonly error: string };

/** Reads a backup.info. Unreadable is what restore or retention would have to guess at. */
export function parseBackupInfo(text: string): BackupInfoRead {
  const { values, stray } = readLines(text);
  const problems: string[] = [];
  const info = readInfo({ values, problems });
  if (info === undefined) return { kind: "unreadable", error: `backup.info has ${problems.join(", ")}` };
  return { kind: "info", info, stray };
}

/** Writes a backup.info that barman-cloud-backup-list, -show, -restore and -delete 3.19 read as one of their own. */
export function formatBackupInfo(info: BackupInfo): string {
  const values: Readonly<Record<string, string | undefined>> = {
    backup_label: info.backupLabel === undefined ? undefined : formatPythonText(info.backupLabel),
    begin_offset: offsetIn(info.beginLsn, info.segmentBytes),
    begin_time: formatTime(info.beginTime),
    begin_wal: info.beginWal,
    begin_xlog: info.beginLsn === undefined ? undefined : formatLsn(info.beginLsn),
    children_backup_ids: undefined,
    cluster_size: info.clusterBytes?.toString(),
    // The suffix of the objects tells the compression; barman-cloud leaves this out as well.
    compression: undefined,
    config_file: info.configFile,
    copy_stats: info.copyStats === undefined ? undefined : formatPythonLiteral(info.copyStats),
    data_checksums: info.dataChecksums,
    deduplicated_size: undefined,
    encryption: undefined,
    end_offset: offsetIn(info.endLsn, info.segmentBytes),
    end_time: formatTime(info.endTime),
    end_wal: info.endWal,
    end_xlog: info.endLsn === undefined ? undefined : formatLsn(info.endLsn),
    error: info.error,
    hba_file: info.hbaFile,
    ident_file: info.identFile,
    included_files: undefined,
    mode: undefined,
    parent_backup_id: undefined,
    pgdata: info.pgdata,
    // Fixed in barman-cloud: the server's name is the directory's.
    server_name: "cloud",
    size: info.storedBytes?.toString(),
    status: info.status,
    summarize_wal: info.summarizeWal,
    systemid: info.systemId,
    tablespaces: info.tablespaces.length === 0 ? undefined : formatTablespaces(info.tablespaces),
    timeline: info.timeline?.toString(),
    version: info.version?.toString(),
    xlog_segment_size: info.segmentBytes.toString(),
  };
  // The name is the one key that is left out rather than "None".
  const named: typeof values = info.backupName === undefined ? values : { ...values, backup_name: info.backupName };
  return Object.keys(named)
    .sort()
    .map((key) => `${key}=${oneLine(named[key])}\n`)
    .join("");
}

/** A line break in a value would end it, and what follows would make the file unreadable to barman. */
const oneLine = (value: string | undefined): string => (value ?? "None").replaceAll(/\s*[\r\n]+\s*/g, " ").trim();

function readLines(text: string): { readonly values: ReadonlyMap<string, string>; readonly stray: readonly string[] } {
  const values = new Map<string, string>();
  const stray: string[] = [];
  for (const line of text.split("\n")) {
    const content = line.trim();
    if (content === "" || content.startsWith("#")) continue;
    const match = /^([a-z_]+)\s*=\s*(.*)$/.exec(content);
    if (match === null) stray.push(content);
    else values.set(match[1] ?? "", match[2] ?? "");
  }
  return { values, stray };
}

interface Source {
  readonly values: ReadonlyMap<string, string>;
  /** What is wrong, each as "no end_time" or "a damaged timeline". */
  readonly problems: string[];
}

/** What restore and windows need of a finished backup. */
const neededWhenDone = ["begin_time", "end_time", "begin_wal", "end_wal", "begin_xlog", "end_xlog", "timeline"];

function readInfo(source: Source): BackupInfo | undefined {
  const status = read(source, "status", (text) => barmanStatuses.find((known) => known === text));
  if (status === undefined && source.problems.length === 0) source.problems.push("no status");
  if (status === "DONE") {
    for (const key of neededWhenDone) if (given(source, key) === undefined) source.problems.push(`no ${key}`);
  }
  // Disks of a cloud provider hold such a backup's data, not the store.
  if (given(source, "snapshots_info") !== undefined) source.problems.push("volume snapshots, not supported yet");
  const literal = (key: string): PythonValue | undefined => read(source, key, parsePythonLiteral);
  const label = literal("backup_label");
  const tablespaces = read(source, "tablespaces", parseTablespaces) ?? [];
  const segmentBytes = read(source, "xlog_segment_size", parseSegmentBytes) ?? defaultSegmentBytes;
  const optional = {
    backupName: given(source, "backup_name"),
    backupLabel: typeof label === "string" ? label : undefined,
    beginTime: read(source, "begin_time", parseMoment),
    endTime: read(source, "end_time", parseMoment),
    beginWal: read(source, "begin_wal", parseSegmentName),
    endWal: read(source, "end_wal", parseSegmentName),
    beginLsn: read(source, "begin_xlog", parseLsn),
    endLsn: read(source, "end_xlog", parseLsn),
    timeline: read(source, "timeline", parseCount),
    systemId: read(source, "systemid", (text) => (/^\d{1,20}$/.test(text) ? text : undefined)),
    version: read(source, "version", parseCount),
    clusterBytes: read(source, "cluster_size", parseCount),
    storedBytes: read(source, "size", parseCount),
    pgdata: given(source, "pgdata"),
    configFile: given(source, "config_file"),
    hbaFile: given(source, "hba_file"),
    identFile: given(source, "ident_file"),
    dataChecksums: given(source, "data_checksums"),
    summarizeWal: given(source, "summarize_wal"),
    copyStats: literal("copy_stats"),
    error: given(source, "error"),
  };
  if (status === undefined || source.problems.length > 0) return undefined;
  return { status, segmentBytes, tablespaces, ...withoutUndefined(optional) };
}

const given = ({ values }: Source, key: string): string | undefined => {
  const text = values.get(key);
  return text === "None" || text === "" ? undefined : text;
};

/** A key's value; one that is given but cannot be read is a problem. */
function read<T>(source: Source, key: string, parse: (text: string) => T | undefined): T | undefined {
  const text = given(source, key);
  if (text === undefined) return undefined;
  const value = parse(text);
  if (value === undefined) source.problems.push(`a damaged ${key}`);
  return value;
}

function parseCount(text: string): number | undefined {
  const count = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(count) ? count : undefined;
}

function parseSegmentBytes(text: string): number | undefined {
  const bytes = parseCount(text);
  return bytes !== undefined && isSegmentBytes(bytes) ? bytes : undefined;
}

/** "[('name', 16388, '/path')]" */
function parseTablespaces(text: string): readonly Tablespace[] | undefined {
  const list = parsePythonLiteral(text);
  if (!Array.isArray(list)) return list === null ? [] : undefined;
  const tablespaces = list.map((item: PythonValue) => {
    const [name, oid, location] = Array.isArray(item) ? (item as readonly PythonValue[]) : [];
    const isWhole = typeof name === "string" && typeof oid === "number" && typeof location === "string";
    return isWhole ? { name, oid, location } : undefined;
  });
  return tablespaces.every((tablespace) => tablespace !== undefined) ? tablespaces : undefined;
}

const formatTablespaces = (tablespaces: readonly Tablespace[]): string =>
  `[${tablespaces
    .map(({ name, oid, location }) => `(${formatPythonText(name)}, ${oid}, ${formatPythonText(location)})`)
    .join(", ")}]`;

const offsetIn = (lsn: bigint | undefined, segmentBytes: number): string | undefined =>
  lsn === undefined ? undefined : (lsn % BigInt(segmentBytes)).toString();

/** As str() of a Python datetime in UTC: without a fraction when there is none. */
function formatTime(micros: bigint | undefined): string | undefined {
  if (micros === undefined) return undefined;
  return `${formatMicros(micros)
    .replace("T", " ")
    .replace("Z", "")
    .replace(/\.000000$/, "")}+00:00`;
}

function withoutUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
