// Reads one repository of a stanza for a decision: an answer, or an error. `info` itself ends well whatever it met, and an
// empty list then means nothing.
import { PgbackrestError, type PgbackrestErrorKind } from "#repository/pgbackrest/errors.ts";
import { readInfo, type PgbackrestInfo, type RepositoryState } from "#repository/pgbackrest/info.ts";
import type { Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { isTrusted, mendOf } from "#repository/pgbackrest/repository-state.ts";
import { retry } from "#std/backoff.ts";
import { describeRepositories } from "./pusher.ts";

const infoMs = 60_000;
const attemptsDefault = 4;

const errorKinds: Partial<Readonly<Record<RepositoryState, PgbackrestErrorKind>>> = {
  NoStanza: "NoStanza",
  Refused: "Denied",
};

/** Throws PgbackrestError when the repository does not answer after a few tries, or does not hold the stanza. */
export const readRepository = (
  pgbackrest: Pgbackrest,
  repository: number,
  { attempts = attemptsDefault, signal }: { readonly attempts?: number; readonly signal: AbortSignal },
): Promise<PgbackrestInfo> =>
  retry(() => readOnce(pgbackrest, repository, signal), {
    attempts,
    firstMs: 1_000,
    maxMs: 10_000,
    signal,
    isTransient: (error) => error instanceof PgbackrestError && error.kind === "Unreachable",
  });

async function readOnce(pgbackrest: Pgbackrest, repository: number, signal: AbortSignal): Promise<PgbackrestInfo> {
  const info = await readInfo(pgbackrest, { repository, deadlineMs: infoMs, signal });
  const said = info.repositories.find(({ key }) => key === repository);
  if (said !== undefined && isTrusted(said.state) && said.state !== "NoStanza") return info;
  const kind = errorKinds[said?.state ?? "Unknown"] ?? "Unreachable";
  const { stanza } = pgbackrest.config;
  const message = said?.status.message ?? "it gave no answer";
  const hint = mendOf(message);
  throw new PgbackrestError(
    kind,
    `${describeRepositories(pgbackrest, [repository])} of stanza ${stanza}: ${message}`,
    hint === undefined ? {} : { hint },
  );
}
