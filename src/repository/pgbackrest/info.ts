// Asks pgBackRest what the repositories of a stanza hold. One process for each of them, side by side, so that one that does
// not answer keeps no other waiting; each has its deadline, since pgBackRest itself tries for minutes.
import { inParallel } from "../in-parallel.ts";
import { isPgbackrestError, type PgbackrestError } from "./errors.ts";
import { parseInfo, type PgbackrestInfo, type RepositoryInfo } from "./info-json.ts";
import type { Pgbackrest } from "./pgbackrest.ts";
import { stateOf, statusOf, type RepositoryState } from "./repository-state.ts";

export type { ArchiveInfo, BackupInfo, BackupType, DatabaseInfo, PgbackrestInfo, RepositoryInfo } from "./info-json.ts";
export type { RepositoryState, RepositoryStatus } from "./repository-state.ts";

export interface InfoOptions {
  readonly signal: AbortSignal;
  /** For each repository. */
  readonly deadlineMs: number;
  /** Only this one. */
  readonly repository?: number;
}

const processesAtOnce = 4;

/**
 * What reading needs, and no option that a version from 2.45 on does not have. Standard output is the answer alone. An
 * endpoint that refuses connections is tried for up to nine times the io-timeout (2.55): with a tenth of the deadline
 * pgBackRest still comes to say why.
 */
export const readOptions = (deadlineMs: number): readonly string[] => [
  "--log-level-console=off",
  `--io-timeout=${Math.min(10, Math.max(1, Math.floor(deadlineMs / 10_000)))}`,
];

/**
 * What the repositories answered, in the order of the Stanza. What is wrong with one is its status and leaves the others
 * alone. Throws PgbackrestError "Config" when no answer could come at all, and "Cancelled".
 */
export async function readInfo(pgbackrest: Pgbackrest, options: InfoOptions): Promise<PgbackrestInfo> {
  const { config } = pgbackrest;
  const keys = options.repository === undefined ? config.repositories.map(({ key }) => key) : [options.repository];
  const each = await inParallel(keys, processesAtOnce, (key) => readOne(pgbackrest, key, options));
  return {
    stanza: config.stanza,
    repositories: each.flatMap(({ repositories }) => repositories),
    databases: each.flatMap(({ databases }) => databases),
    archives: each.flatMap(({ archives }) => archives),
    backups: each
      .flatMap(({ backups }) => backups)
      .toSorted(
        (a, b) => (a.endSeconds ?? Infinity) - (b.endSeconds ?? Infinity) || a.repositoryKey - b.repositoryKey || 0,
      ),
  };
}

async function readOne(
  pgbackrest: Pgbackrest,
  key: number,
  { signal, deadlineMs }: InfoOptions,
): Promise<PgbackrestInfo> {
  const { stanza } = pgbackrest.config;
  try {
    const { stdout } = await pgbackrest.run("info", {
      options: ["--output=json", ...readOptions(deadlineMs)],
      repository: key,
      deadlineMs,
      signal,
    });
    const info = parseInfo(stdout, stanza);
    if (info === undefined) return withoutAnswer(stanza, key, "Unknown", "its answer cannot be read");
    const said = info.repositories.filter((repository) => repository.key === key);
    if (said.length === 0) return withoutAnswer(stanza, key, "Unknown", "the answer does not tell of it");
    return { ...info, repositories: said };
  } catch (error) {
    if (!isPgbackrestError(error) || error.kind === "Cancelled" || error.kind === "Config") throw error;
    return withoutAnswer(stanza, key, stateOfError(error), error.message);
  }
}

function stateOfError(error: PgbackrestError): RepositoryState {
  if (error.kind === "Timeout" || error.kind === "Unreachable") return "Unreachable";
  return error.kind === "Denied" ? "Refused" : stateOf(statusOf(error.message));
}

const withoutAnswer = (stanza: string, key: number, state: RepositoryState, text: string): PgbackrestInfo => ({
  stanza,
  repositories: [{ key, status: statusOf(text), state } satisfies RepositoryInfo],
  databases: [],
  archives: [],
  backups: [],
});
