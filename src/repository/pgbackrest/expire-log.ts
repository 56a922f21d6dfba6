// What `expire` says that it removes, or would remove, read out of its log. Pure. It has no other answer (pgBackRest:
// src/command/expire/expire.c, the lines at level info; the same from 2.45 to 2.60).

export type ExpireReason = "Full" | "Diff" | "Time" | "Adhoc";

export interface ExpiredBackup {
  readonly id: string;
  /** Which rule of the retention it is. */
  readonly reason: ExpireReason;
}

export interface ExpiredWal {
  /** "15-1" */
  readonly archiveId: string;
  /** Both ends are counted: names of segments, or their first 16 digits for whole folders. */
  readonly first: string;
  readonly last: string;
}

export interface Expired {
  readonly backups: readonly ExpiredBackup[];
  readonly wal: readonly ExpiredWal[];
  /** Folders of backups that are in no list: what is left of broken ones. */
  readonly leftovers: readonly string[];
  /** Further files: histories of timelines and of backups, folders of former databases. */
  readonly files: readonly string[];
}

const reasons: Readonly<Record<string, ExpireReason>> = {
  full: "Full",
  diff: "Diff",
  "time-based": "Time",
  adhoc: "Adhoc",
};

export function parseExpireLog(lines: readonly string[]): Expired {
  const backups: ExpiredBackup[] = [];
  const wal: ExpiredWal[] = [];
  const folders: string[] = [];
  const files: string[] = [];
  for (const line of lines) {
    const said = /^P\d+ +INFO: (?:\[DRY-RUN\] )?repo\d+: (.*)$/.exec(line)?.[1];
    if (said === undefined) continue;
    const backup = /^expire (full|diff|time-based|adhoc) backup (?:set )?(.+)$/.exec(said);
    const reason = reasons[backup?.[1] ?? ""];
    if (reason !== undefined) {
      for (const id of backup?.[2]?.split(", ") ?? []) backups.push({ id, reason });
      continue;
    }
    const archive = /^(\S+) remove archive, start = (\w+), stop = (\w+)$/.exec(said);
    if (archive !== null) {
      const [, archiveId = "", first = "", last = ""] = archive;
      wal.push({ archiveId, first, last });
      continue;
    }
    const folder = /^remove expired backup (\d{8}-\S+)$/.exec(said)?.[1];
    if (folder !== undefined) folders.push(folder);
    else if (/\bremove\b/.test(said) && !/no archive to remove/.test(said)) files.push(said);
  }
  const listed = new Set(backups.map(({ id }) => id));
  return { backups, wal, leftovers: folders.filter((id) => !listed.has(id)), files };
}

export const isNothing = ({ backups, wal, leftovers, files }: Expired): boolean =>
  backups.length + wal.length + leftovers.length + files.length === 0;
