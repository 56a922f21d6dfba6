// Which tablespaces a backup of a stanza holds. Only the question for one backup tells: its manifest is read for that.
import { callRepository } from "#repository/pgbackrest/files.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { repositoryError } from "#repository/pgbackrest/repository-state.ts";
import { withoutRemarks } from "#repository/pgbackrest/warnings.ts";

export interface Tablespace {
  readonly name: string;
  /** Where it was, and where it will be restored. */
  readonly path: string;
}

/** A manifest of a million files takes its time. */
const manifestMs = 10 * 60_000;

/** Throws StoreError when the repository does not answer. */
export async function readTablespaces(
  pgbackrest: Pgbackrest,
  { label, repository }: { readonly label: string; readonly repository: number },
  signal: AbortSignal,
): Promise<readonly Tablespace[]> {
  const options = ["--output=json", `--set=${label}`];
  const call = { options, deadlineMs: manifestMs, signal };
  const { stdout } = await callRepository(pgbackrest, repository, "info", call);
  const tablespaces = parseTablespaces(withoutRemarks(stdout), label);
  if (tablespaces !== undefined) return tablespaces;
  const { stanza } = pgbackrest.config;
  throw repositoryError({ stanza, key: repository }, `it did not tell of backup ${label}`);
}

/** Undefined when the answer does not tell of the backup: `info` ends well whatever it met. */
export function parseTablespaces(text: string, label: string): readonly Tablespace[] | undefined {
  const backup = list(parse(text))
    .flatMap((stanza) => list(stanza["backup"]))
    .find((one) => one["label"] === label);
  if (backup === undefined) return undefined;
  return list(backup["tablespace"]).flatMap(({ name, destination }) =>
    typeof name === "string" && typeof destination === "string" ? [{ name, path: destination }] : [],
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const list = (value: unknown): readonly Readonly<Record<string, unknown>>[] => (Array.isArray(value) ? value : []);
