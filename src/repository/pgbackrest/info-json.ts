// Reads the answer of `pgbackrest info --output=json`. Pure. Fields came and went between its versions, so each is taken
// for itself, and one that is missing or of another type is left out; nothing here throws.
import { parseLsn } from "#postgres/lsn.ts";
import { parseSegmentName, type SegmentName } from "#postgres/segment.ts";
import { stateOf, statusOf, type RepositoryState, type RepositoryStatus } from "./repository-state.ts";

export interface PgbackrestInfo {
  readonly stanza: string;
  readonly repositories: readonly RepositoryInfo[];
  /** Also those from before an upgrade; the highest id of a repository is the present one. */
  readonly databases: readonly DatabaseInfo[];
  readonly archives: readonly ArchiveInfo[];
  /** Of all repositories that could be read, oldest first. A label may come more than once, in several repositories. */
  readonly backups: readonly BackupInfo[];
}

export interface RepositoryInfo {
  /** pgBackRest's number of it, from 1. */
  readonly key: number;
  readonly status: RepositoryStatus;
  readonly state: RepositoryState;
}

export interface DatabaseInfo {
  readonly id: number;
  readonly repositoryKey: number;
  /** Decimal text: it does not fit a number. */
  readonly systemId?: string;
  /** "15", "9.6" */
  readonly version?: string;
}

/** The WAL of one database in one repository. Both ends are by name over all timelines and prove no continuity. */
export interface ArchiveInfo {
  /** Its folder's name: "15-1". */
  readonly id: string;
  readonly databaseId: number;
  readonly repositoryKey: number;
  readonly min?: SegmentName;
  readonly max?: SegmentName;
}

export type BackupType = "full" | "diff" | "incr";

export interface BackupInfo {
  readonly label: string;
  readonly type: BackupType;
  readonly repositoryKey: number;
  readonly databaseId: number;
  /** The backup that it continues. */
  readonly prior?: string;
  /** All backups that a restore of it reads besides itself. */
  readonly references: readonly string[];
  readonly beginWal?: SegmentName;
  readonly endWal?: SegmentName;
  readonly beginLsn?: bigint;
  readonly endLsn?: bigint;
  /** Unix time in whole seconds, rounded down. */
  readonly beginSeconds?: number;
  readonly endSeconds?: number;
  /** Bytes of the database files; of those, what this backup copied. */
  readonly sizeBytes?: number;
  readonly copiedBytes?: number;
  /** Bytes in the repository that this backup added. */
  readonly addedBytes?: number;
  /** Pages with a wrong checksum were found. Absent: nobody looked. */
  readonly hasPageErrors?: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  /** Names; only in the answer for one backup. */
  readonly tablespaces?: readonly string[];
}

/** Those of one repository, the present one first. */
export const databasesOf = (
  { databases }: Pick<PgbackrestInfo, "databases">,
  repository: number,
): readonly DatabaseInfo[] =>
  databases.filter(({ repositoryKey }) => repositoryKey === repository).toSorted((a, b) => b.id - a.id);

type Json = Readonly<Record<string, unknown>>;

/** Undefined when the text is not that answer, or does not tell of this stanza. */
export function parseInfo(text: string, stanza: string): PgbackrestInfo | undefined {
  const answer = parseJson(text);
  const element = listOf(answer).find(({ name }) => name === stanza);
  if (element === undefined) return undefined;
  return {
    stanza,
    repositories: listOf(element["repo"]).flatMap(repositoryOf),
    databases: listOf(element["db"]).flatMap(databaseOf),
    archives: listOf(element["archive"]).flatMap(archiveOf),
    backups: listOf(element["backup"]).flatMap(backupOf),
  };
}

/** Control characters in messages are not escaped by every version. Lines before the answer are log lines. */
function parseJson(text: string): unknown {
  const start = /^\[(?=[\s{\]])/m.exec(text)?.index;
  if (start === undefined) return undefined;
  try {
    return JSON.parse(text.slice(start).replaceAll(/\p{Cc}/gu, " "), keepDigits as (key: string) => unknown);
  } catch {
    return undefined;
  }
}

/** A system id has 64 bits, and a number of JavaScript 53: the digits are kept as text. */
function keepDigits(_key: string, value: unknown, { source }: { readonly source?: string } = {}): unknown {
  return typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined ? source : value;
}

function repositoryOf({ key, status }: Json): readonly RepositoryInfo[] {
  const number = wholeNumber(key);
  if (number === undefined) return [];
  const { code, message } = objectOf(status);
  const said = statusOf(textOf(message) ?? "no status", wholeNumber(code));
  return [{ key: number, status: said, state: stateOf(said) }];
}

function databaseOf(json: Json): readonly DatabaseInfo[] {
  const [id, repositoryKey] = [wholeNumber(json["id"]), wholeNumber(json["repo-key"])];
  if (id === undefined || repositoryKey === undefined) return [];
  return [{ id, repositoryKey, ...set("systemId", digits(json["system-id"])), ...set("version", versionOf(json)) }];
}

const versionOf = ({ version }: Json): string | undefined =>
  textOf(version) ?? (typeof version === "number" ? String(version) : undefined);

function archiveOf(json: Json): readonly ArchiveInfo[] {
  const { id: databaseId, "repo-key": key } = objectOf(json["database"]);
  const [id, database, repositoryKey] = [textOf(json["id"]), wholeNumber(databaseId), wholeNumber(key)];
  if (id === undefined || database === undefined || repositoryKey === undefined) return [];
  return [
    {
      id,
      databaseId: database,
      repositoryKey,
      ...set("min", segmentOf(json["min"])),
      ...set("max", segmentOf(json["max"])),
    },
  ];
}

function backupOf(json: Json): readonly BackupInfo[] {
  const { id: databaseId, "repo-key": key } = objectOf(json["database"]);
  const [label, database, repositoryKey] = [textOf(json["label"]), wholeNumber(databaseId), wholeNumber(key)];
  if (label === undefined || database === undefined || repositoryKey === undefined) return [];
  const [archive, lsn, timestamp] = [objectOf(json["archive"]), objectOf(json["lsn"]), objectOf(json["timestamp"])];
  const info = objectOf(json["info"]);
  const { error } = json;
  return [
    {
      label,
      type: typeOf(label, json["type"]),
      repositoryKey,
      databaseId: database,
      references: Array.isArray(json["reference"]) ? json["reference"].filter(isText) : [],
      ...set("prior", textOf(json["prior"])),
      ...set("beginWal", segmentOf(archive["start"])),
      ...set("endWal", segmentOf(archive["stop"])),
      ...set("beginLsn", parseLsn(textOf(lsn["start"]) ?? "")),
      ...set("endLsn", parseLsn(textOf(lsn["stop"]) ?? "")),
      ...set("beginSeconds", wholeNumber(timestamp["start"])),
      ...set("endSeconds", wholeNumber(timestamp["stop"])),
      ...set("sizeBytes", wholeNumber(info["size"])),
      ...set("copiedBytes", wholeNumber(info["delta"])),
      ...set("addedBytes", wholeNumber(objectOf(info["repository"])["delta"])),
      ...set("hasPageErrors", typeof error === "boolean" ? error : undefined),
      annotations: Object.fromEntries(
        Object.entries(objectOf(json["annotation"])).filter((entry): entry is [string, string] => isText(entry[1])),
      ),
      ...set("tablespaces", tablespacesOf(json["tablespace"])),
    },
  ];
}

/** `null` says that there are none; an older answer says nothing. */
function tablespacesOf(said: unknown): readonly string[] | undefined {
  if (said === undefined) return undefined;
  return listOf(said).flatMap(({ name }) => textOf(name) ?? []);
}

/** The label ends with the type's letter; one without any other is a full backup's. */
function typeOf(label: string, said: unknown): BackupType {
  if (said === "full" || said === "diff" || said === "incr") return said;
  return label.endsWith("I") ? "incr" : label.endsWith("D") ? "diff" : "full";
}

const isText = (value: unknown): value is string => typeof value === "string";
const textOf = (value: unknown): string | undefined => (isText(value) && value !== "" ? value : undefined);
const wholeNumber = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
const segmentOf = (value: unknown): SegmentName | undefined => (isText(value) ? parseSegmentName(value) : undefined);

const digits = (value: unknown): string | undefined => {
  const text = typeof value === "number" ? String(value) : value;
  return isText(text) && /^\d{1,20}$/.test(text) ? text : undefined;
};

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const objectOf = (value: unknown): Json => (isObject(value) ? value : {});
const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isObject) : []);

const set = <K extends string, V>(key: K, value: V | undefined): { readonly [key in K]?: V } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [key in K]?: V };
