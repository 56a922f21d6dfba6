// What a stanza's repositories have of one backup, what holds it, and its removal.
import type { CallOptions } from "#store/store.ts";
import type { BackupRecord } from "../catalog.ts";
import { RepositoryError } from "../errors.ts";
import type { BackupContents, Hold } from "../repository.ts";
import { holdAnnotation } from "./annotations.ts";
import { askAll } from "./across.ts";
import { isWholeFull, requireAll, toBackupRecord } from "./catalog.ts";
import { callRepository, openFiles, type RepositoryFiles } from "./files.ts";
import type { BackupInfo, PgbackrestInfo } from "./info.ts";
import { parseInfo } from "./info-json.ts";
import { backupPath, isBackupLabel, manifestName } from "./layout.ts";
import type { Pgbackrest } from "./pgbackrest.ts";

const detailDeadlineMs = 120_000;
const expireDeadlineMs = 30 * 60_000;
/** More than any repository has: no WAL goes with a backup that is removed by hand. */
const keepAll = 9_999_999;

/** Reads the manifest through pgBackRest, which checks it, and lists the backup's folder. */
export async function readContents(
  pgbackrest: Pgbackrest,
  info: PgbackrestInfo,
  id: string,
  options: CallOptions,
): Promise<BackupContents> {
  requireAll(info);
  if (!isBackupLabel(id)) return { hasData: false };
  const [found] = copiesOf(info, id);
  const keys = found === undefined ? info.repositories.map(({ key }) => key) : [found.repositoryKey];
  const listed = await askAll(
    keys.map((key) => openFiles(pgbackrest, key)),
    (files) => listFolder(files, id, options),
  );
  const names = listed.flat();
  const hasData = names.some((name) => !name.startsWith(manifestName));
  if (found === undefined) return { hasData };
  const detail = await readDetail(pgbackrest, found, options);
  if ("unreadable" in detail) return { hasData, unreadable: detail.unreadable };
  const record = toBackupRecord(detail, info.databases);
  const lacking = names.includes(manifestName) ? lackingOf(info, record, hasData) : `there is no ${manifestName}`;
  return { record, hasData, ...(lacking !== undefined && { lacking }) };
}

async function listFolder(files: RepositoryFiles, id: string, { signal }: CallOptions): Promise<readonly string[]> {
  const names: string[] = [];
  await files.names(backupPath(files.stanza, id), { onName: (name) => void names.push(name), signal });
  return names;
}

/** With its tablespaces. Code 6 for a backup that is listed says that its manifest is not there. */
async function readDetail(
  pgbackrest: Pgbackrest,
  backup: BackupInfo,
  { signal }: CallOptions,
): Promise<BackupInfo | { readonly unreadable: string }> {
  const { stdout } = await callRepository(pgbackrest, backup.repositoryKey, "info", {
    options: ["--output=json", `--set=${backup.label}`],
    deadlineMs: detailDeadlineMs,
    signal,
  });
  const detail = parseInfo(stdout, pgbackrest.config.stanza);
  const found = detail?.backups.find(({ label }) => label === backup.label);
  if (found !== undefined) return found;
  const said = detail?.repositories[0]?.status;
  if (said?.code === 6) return backup;
  return { unreadable: said?.message ?? "pgbackrest's answer about it cannot be read" };
}

function lackingOf(info: PgbackrestInfo, record: BackupRecord, hasData: boolean): string | undefined {
  if (!hasData) return "there are no files of it";
  const present = new Set(
    info.backups.filter(({ repositoryKey }) => repositoryKey === record.repository).map(({ label }) => label),
  );
  const gone = record.references?.find((label) => !present.has(label));
  if (gone !== undefined) return `backup ${gone}, which it builds upon, is not there`;
  return record.hasPageErrors === true
    ? "pages with a wrong checksum were in the database when it was made"
    : undefined;
}

export function holdsOf(info: PgbackrestInfo, id: string): readonly Hold[] {
  requireAll(info);
  return copiesOf(info, id)
    .filter(({ annotations }) => annotations[holdAnnotation] !== undefined)
    .map(({ label, repositoryKey }) => ({
      key: `annotation ${holdAnnotation} of ${label} in repository ${repositoryKey}`,
    }));
}

/**
 * By pgBackRest's `expire` for this backup alone, under conditions in which it removes nothing else: it would take the
 * dependents with it, and WAL by the rules of retention. The caller holds the stanza's Lease, since pgBackRest before
 * 2.59 takes a backup that runs on another host for a leftover.
 */
export async function removeBackup(
  pgbackrest: Pgbackrest,
  info: PgbackrestInfo,
  id: string,
  options: CallOptions,
): Promise<number> {
  requireAll(info);
  const copies = copiesOf(info, id);
  for (const copy of copies) requireRemovable(info, copy);
  for (const { repositoryKey: key, label } of copies) {
    await callRepository(pgbackrest, key, "expire", {
      options: [
        `--set=${label}`,
        `--repo${key}-retention-archive=${keepAll}`,
        `--repo${key}-retention-archive-type=full`,
        `--reset-repo${key}-retention-history`,
      ],
      deadlineMs: expireDeadlineMs,
      signal: options.signal,
    });
  }
  return copies.length;
}

const isFull = ({ type }: BackupInfo): boolean => type === "full";

function requireRemovable({ backups }: PgbackrestInfo, copy: BackupInfo): void {
  const { label, repositoryKey, type } = copy;
  const others = backups.filter((other) => other.repositoryKey === repositoryKey && other.label !== label);
  const dependents = others.filter(({ prior, references }) => prior === label || references.includes(label));
  if (dependents.length > 0) {
    const named = dependents.slice(0, 3).map((other) => other.label);
    const more = dependents.length > named.length ? ` and ${dependents.length - named.length} more` : "";
    throw new RepositoryError("InUse", `backup ${label} is needed by ${named.join(", ")}${more}`, {
      hint: "delete those first",
    });
  }
  // One that restores nothing good makes up for a whole one as little as none does.
  const [makesUp, kind] = isWholeFull(copy)
    ? [isWholeFull, "only full backup that is whole"]
    : [isFull, "only full backup"];
  if (type === "full" && !others.some(makesUp))
    throw new RepositoryError("InUse", `backup ${label} is the ${kind} in repository ${repositoryKey}`, {
      hint: "make another full backup first",
    });
}

const copiesOf = ({ backups }: PgbackrestInfo, id: string): readonly BackupInfo[] =>
  backups.filter(({ label }) => label === id).toSorted((a, b) => a.repositoryKey - b.repositoryKey);
