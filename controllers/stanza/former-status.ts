// What readers of pgbackrest.dalibo.com/v1 find in a Stanza's status: first and last backup, and how many of each type. Pure.
import { formatLsn } from "#postgres/lsn.ts";
import type { BackupInfo } from "#repository/pgbackrest/info.ts";
import type { ObservedRepository, Status } from "./terms.ts";

type FormerBackup = NonNullable<NonNullable<Status["recoveryWindow"]>["firstBackup"]>;

export function formerStatus(
  repositories: readonly ObservedRepository[],
): Pick<Status, "recoveryWindow" | "backupsCount"> {
  const backups = repositories
    .flatMap(({ content }) => content?.backups ?? [])
    .toSorted((a, b) => (a.endSeconds ?? Infinity) - (b.endSeconds ?? Infinity) || 0);
  const count = (type: BackupInfo["type"]): number => backups.filter((backup) => backup.type === type).length;
  const [first, last] = [backups[0], backups.at(-1)];
  return {
    ...(first && last && { recoveryWindow: { firstBackup: inItsWords(first), lastBackup: inItsWords(last) } }),
    backupsCount: { Full: count("full"), Diff: count("diff"), Incr: count("incr") },
  };
}

function inItsWords(backup: BackupInfo): FormerBackup {
  const { label, type, prior, beginWal, endWal, beginLsn, endLsn, beginSeconds, endSeconds } = backup;
  return {
    label,
    type,
    ...(prior !== undefined && { prior }),
    archive: range(beginWal, endWal),
    lsn: range(lsnText(beginLsn), lsnText(endLsn)),
    timestamp: range(beginSeconds, endSeconds),
  };
}

const lsnText = (lsn: bigint | undefined): string | undefined => (lsn === undefined ? undefined : formatLsn(lsn));

const range = <T>(start: T | undefined, stop: T | undefined): { readonly start?: T; readonly stop?: T } => ({
  ...(start !== undefined && { start }),
  ...(stop !== undefined && { stop }),
});
