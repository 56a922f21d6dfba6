// Whose stanza a repository holds: a mark beside it, holdfast/<stanza>.owner.json, in the form of barman's archives.
// pgBackRest itself knows the database system only, and after a major upgrade that is another one: the mark tells a Cluster
// that was upgraded from a foreign one.
import { formatOwner, parseOwner, type OwnerMark } from "#repository/barman/owner.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { withoutRemarks } from "#repository/pgbackrest/warnings.ts";

interface MarkOptions {
  readonly repository: number;
  readonly signal: AbortSignal;
}

const deadlineMs = 20_000;
/** `--raw`: pgBackRest knows a passphrase only for its own folders. The mark holds names and nothing secret. */
const quiet = ["--log-level-console=off", "--io-timeout=6", "--raw"];
/** Of repo-get: the file is not there. */
const missing = 1;

const pathOf = ({ config }: Pgbackrest): string => `holdfast/${config.stanza}.owner.json`;

/** Undefined when nobody has left one, or none that can be read. Throws PgbackrestError. */
export async function readOwnerMark(
  pgbackrest: Pgbackrest,
  { repository, signal }: MarkOptions,
): Promise<OwnerMark | undefined> {
  const { code, stdout } = await pgbackrest.run("repo-get", {
    options: [...quiet, "--ignore-missing"],
    parameters: [pathOf(pgbackrest)],
    answers: [missing],
    repository,
    deadlineMs,
    signal,
  });
  return code === missing ? undefined : parseOwner(withoutRemarks(stdout));
}

/** Throws PgbackrestError. */
export async function writeOwnerMark(
  pgbackrest: Pgbackrest,
  mark: OwnerMark,
  { repository, signal }: MarkOptions,
): Promise<void> {
  const input = formatOwner(mark);
  const parameters = [pathOf(pgbackrest)];
  await pgbackrest.run("repo-put", { options: quiet, parameters, input, repository, deadlineMs, signal });
}
