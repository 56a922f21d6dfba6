// Which Backups stand for what a Stanza holds, and what they know of it that its listing does not. Pure.
import type { Backup } from "#api/gen/backup.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import { idOf } from "../archive/plan-records.ts";

/** As recorded: the Stanza of that name, since a Backup stands for what it finds there. */
export function standsIn({ metadata, spec, status }: Backup, stanza: Stanza): boolean {
  if (metadata.namespace !== stanza.metadata.namespace) return false;
  const repository = spec.repository ?? status?.repository;
  return repository?.kind === "Stanza" && repository.name === stanza.metadata.name;
}

/**
 * Ids that were looked at and lack data or WAL. In whichever repository: a copy that may be whole is rather taken for broken
 * than a broken one for whole.
 */
export const brokenIn = (stanza: Stanza, backups: readonly Backup[]): ReadonlySet<string> =>
  new Set(
    backups
      .filter((backup) => backup.status?.phase === "Failed" && standsIn(backup, stanza))
      .flatMap((backup) => idOf(backup) ?? []),
  );
