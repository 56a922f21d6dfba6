// Which of the WAL files that somebody needs are not in an archive, whatever keeps it.
import { missingWal, type WalArchive } from "#repository/barman/wal-presence.ts";

export { missingWal } from "#repository/barman/wal-presence.ts";

/** Which of the names an archive does not hold, in their order. Throws when it cannot tell. */
export type MissingWal = (
  names: readonly string[],
  options: { readonly signal: AbortSignal },
) => Promise<readonly string[]>;

export const missingFrom =
  (archive: WalArchive): MissingWal =>
  (names, options) =>
    missingWal(archive, names, options);
