// From pgBackRest's answer about its repositories to the catalog in the words of both engines. Pure.
import { segmentBeforeLsn, segmentOfLsn, segmentTimeline } from "#postgres/segment.ts";
import type { StoreError } from "#store/errors.ts";
import type { BackupRecord, Catalog } from "../catalog.ts";
import { backupAnnotation, failedAnnotation } from "./annotations.ts";
import type { BackupInfo, DatabaseInfo, PgbackrestInfo, RepositoryInfo } from "./info-json.ts";
import { isTrusted, repositoryError } from "./repository-state.ts";

/** One repository's part of it: what it lists, or why that is not known. */
export interface RepositoryCatalog extends RepositoryInfo {
  /** Absent when the repository could not be read: then nothing of it is known. */
  readonly catalog?: Catalog;
  readonly problem?: StoreError;
}

/** Throws StoreError for the first repository that could not be read: a part would look like the whole. */
export function requireAll(info: PgbackrestInfo): void {
  const [problem] = problemsIn(info);
  if (problem !== undefined) throw problem;
}

export function toCatalog(info: PgbackrestInfo): Catalog {
  requireAll(info);
  return catalogOf(info, info.backups);
}

export const catalogByRepository = (info: PgbackrestInfo): readonly RepositoryCatalog[] =>
  info.repositories.map((repository) => {
    const { key } = repository;
    if (!isTrusted(repository.state)) return { ...repository, problem: problemOf(info, repository) };
    const backups = info.backups.filter(({ repositoryKey }) => repositoryKey === key);
    return { ...repository, catalog: catalogOf(info, backups) };
  });

/** Why repositories could not be read, in their order. */
export const problemsIn = (info: PgbackrestInfo): readonly StoreError[] =>
  info.repositories.filter(({ state }) => !isTrusted(state)).map((repository) => problemOf(info, repository));

const problemOf = ({ stanza }: PgbackrestInfo, { key, status }: RepositoryInfo): StoreError =>
  repositoryError({ stanza, key }, status.message);

/** A label in two repositories is one backup that was copied, or a coincidence: the lowest number counts. */
function catalogOf(info: PgbackrestInfo, backups: readonly BackupInfo[]): Catalog {
  const byLabel = Map.groupBy(backups, ({ label }) => label);
  const records = [...byLabel.values()].flatMap((same) => {
    const [first, ...more] = same.toSorted((a, b) => a.repositoryKey - b.repositoryKey);
    if (first === undefined) return [];
    const alsoIn = more.map(({ repositoryKey }) => repositoryKey);
    return [{ ...toBackupRecord(first, info.databases), ...(alsoIn.length > 0 && { alsoIn }) }];
  });
  return { server: info.stanza, backups: records.sort(byEndTime), unreadable: [] };
}

/** Only what is finished is listed. Seconds were rounded down, and a moment before the end cannot be restored from it. */
export function toBackupRecord(backup: BackupInfo, databases: readonly DatabaseInfo[]): BackupRecord {
  const database = databases.find(
    ({ id, repositoryKey }) => id === backup.databaseId && repositoryKey === backup.repositoryKey,
  );
  const { beginSeconds, endSeconds, annotations, prior, references } = backup;
  const major = Number.parseInt(database?.version ?? "", 10);
  return withoutUndefined({
    id: backup.label,
    name: annotations[backupAnnotation],
    status: annotations[failedAnnotation] === undefined ? "done" : "failed",
    error: annotations[failedAnnotation],
    type: backup.type,
    prior,
    references: references.length > 0 ? references : undefined,
    repository: backup.repositoryKey,
    beginTime: beginSeconds === undefined ? undefined : new Date(beginSeconds * 1000),
    endTime: endSeconds === undefined ? undefined : new Date(endSeconds * 1000 + 999),
    beginWal: backup.beginWal,
    endWal: backup.endWal,
    beginLsn: backup.beginLsn,
    endLsn: backup.endLsn,
    timeline: backup.beginWal === undefined ? undefined : segmentTimeline(backup.beginWal),
    systemId: database?.systemId,
    postgresMajor: Number.isNaN(major) ? undefined : major,
    segmentBytes: segmentBytesOf(backup),
    sizeBytes: backup.sizeBytes,
    storedBytes: backup.addedBytes,
    tablespaces: backup.tablespaces ?? [],
    hasPageErrors: backup.hasPageErrors === true ? true : undefined,
  });
}

const mebibyte = 1024 * 1024;
/** The default first, so that it is taken where the names leave a choice. */
const segmentSizes = [16, 1, 2, 4, 8, 32, 64, 128, 256, 512, 1024].map((size) => size * mebibyte);

/** A full backup that a restore may begin from: damaged pages come back damaged. */
export const isWholeFull = (backup: BackupInfo): boolean =>
  backup.type === "full" && backup.hasPageErrors !== true && toBackupRecord(backup, []).status === "done";

/** Nothing says how large a segment is but the names of the first and the last, which hold their positions. */
function segmentBytesOf({ beginWal, endWal, beginLsn, endLsn }: BackupInfo): number | undefined {
  if (beginWal === undefined || endWal === undefined || beginLsn === undefined || endLsn === undefined)
    return undefined;
  return segmentSizes.find(
    (bytes) =>
      segmentOfLsn(beginLsn, segmentTimeline(beginWal), bytes) === beginWal &&
      endLsn > 0n &&
      segmentBeforeLsn(endLsn, segmentTimeline(endWal), bytes) === endWal,
  );
}

/** Oldest first; those without an end last; the id decides between equals. */
function byEndTime(a: BackupRecord, b: BackupRecord): number {
  const [endA, endB] = [a.endTime?.getTime() ?? Infinity, b.endTime?.getTime() ?? Infinity];
  if (endA !== endB) return endA < endB ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

type Possible<T> = { readonly [K in keyof T]: T[K] | undefined };

const withoutUndefined = (record: Possible<BackupRecord>): BackupRecord =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as unknown as BackupRecord;
