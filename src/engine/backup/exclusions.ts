// Which files of a data directory a base backup leaves out, as barman-cloud and pg_basebackup do: what PostgreSQL
// makes anew at start, what belongs to this instance only, and the WAL, which comes from the archive. Pure.
// (PostgreSQL: src/backend/backup/basebackup.c, excludeFiles and excludeDirContents.)

/** Directories that are kept, but empty: their content is of no use to another instance. */
const emptied: ReadonlySet<string> = new Set([
  "pg_wal",
  "pg_xlog",
  "log",
  "pg_log",
  "pg_dynshmem",
  "pg_notify",
  "pg_replslot",
  "pg_serial",
  "pg_stat_tmp",
  "pg_snapshots",
  "pg_subtrans",
]);

const excludedNames: ReadonlySet<string> = new Set([
  "postmaster.pid",
  "postmaster.opts",
  "postgresql.auto.conf.tmp",
  "current_logfiles.tmp",
  "recovery.conf",
  "standby.signal",
  "recovery.signal",
]);

/** Files of the root that this very backup writes itself, or that would speak of an older one. */
const excludedInRoot: ReadonlySet<string> = new Set(["backup_label", "tablespace_map", "backup_manifest"]);

export const controlFilePath = "global/pg_control";

/** Whether the directory at this path (relative to the data directory) is stored without its content. */
export const isEmptied = (path: string): boolean => emptied.has(path);

/** Whether an entry is left out. The control file is too: it is copied by itself, after everything else. */
export function isExcluded(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (path === controlFilePath || excludedNames.has(name)) return true;
  if (name.startsWith("pgsql_tmp") || name.startsWith("pg_internal.init")) return true;
  if (!path.includes("/")) return excludedInRoot.has(name);
  return isTemporaryRelation(path);
}

/** "base/5/t3_16384": a table of one session only (PostgreSQL: looks_like_temp_rel_name). */
const isTemporaryRelation = (path: string): boolean =>
  /\/\d+\/t\d+_\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?$/.test(`/${path}`);
