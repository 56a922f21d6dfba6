// Each repository's row in a Stanza's status. Pure. One that could not be read keeps the facts of the last look that could,
// also when another leader made that look: they are in the status then.
import { timestamp } from "#kube/timestamp.ts";
import { recoveryWindow, type WalGap } from "#repository/recovery-window.ts";
import { missingIn } from "./missing-wal.ts";
import type { ObservedRepository, RepositoryContent, RepositoryStatus } from "./terms.ts";
import type { RepositoryGap } from "./wal-gaps.ts";

type Facts = Omit<RepositoryStatus, "key" | "type" | "location" | "state" | "message">;

export const describeRepositories = (
  repositories: readonly ObservedRepository[],
  previous: readonly RepositoryStatus[],
  gaps: readonly RepositoryGap[],
): readonly RepositoryStatus[] =>
  repositories.map(({ key, type, location, state, message, content }) => ({
    key,
    type,
    location,
    state,
    ...(message !== undefined && { message }),
    ...(content === undefined
      ? factsBefore(previous, { key, location })
      : factsOf(content, missingIn({ key, content }, gaps))),
  }));

function factsOf(
  { catalog, backups, newestWal, encrypted, systemId }: RepositoryContent,
  gaps: readonly WalGap[],
): Facts {
  const count = (type: "full" | "diff" | "incr"): number => backups.filter((backup) => backup.type === type).length;
  const last = catalog.backups.filter(({ status }) => status === "done").at(-1);
  const sizes = backups.flatMap(({ addedBytes }) => addedBytes ?? []);
  const { windowFrom } = recoveryWindow({ catalog, systemId, newestWal: newestWal && { name: newestWal }, gaps });
  return {
    encrypted,
    full: count("full"),
    diff: count("diff"),
    incr: count("incr"),
    ...(sizes.length === backups.length && { backupBytes: sizes.reduce((sum, size) => sum + size, 0) }),
    ...(last && { lastBackup: last.id }),
    ...(last?.endTime && { lastBackupTime: timestamp(last.endTime) }),
    ...(newestWal !== undefined && { lastWal: newestWal }),
    ...(windowFrom && { windowFrom: timestamp(windowFrom) }),
  };
}

/**
 * By location: a number may stand for another place by now. By number among those of one location, which are then on
 * different servers.
 */
function factsBefore(
  previous: readonly RepositoryStatus[],
  { key, location }: Pick<RepositoryStatus, "key" | "location">,
): Partial<Facts> {
  const there = previous.filter((each) => each.location === location);
  const before = there.length === 1 ? there[0] : there.find((each) => each.key === key);
  if (before === undefined) return {};
  const { key: _key, type: _type, location: _location, state: _state, message: _message, ...facts } = before;
  return facts;
}
