// The Repository of any store, as the operator's controllers ask for it: barman's layout in an ObjectStore, pgBackRest's
// behind a Stanza. What changes a stanza holds its Lease.
import type { Stanza } from "#api/gen/stanza.ts";
import type { OpenRepository } from "#controllers/repositories.ts";
import type { OpenedStanza } from "#controllers/stanza/observe.ts";
import type { Mutex } from "#kube/mutex.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import { openPgbackrestRepository } from "#repository/pgbackrest/repository.ts";
import type { Repository } from "#repository/repository.ts";
import type { OperatorStanzas } from "./stanzas.ts";
import type { OperatorStores } from "./stores.ts";

export interface RepositoryDeps {
  readonly stores: OperatorStores;
  readonly stanzas: OperatorStanzas;
  /** Keeps out whoever else changes the Stanza's data. */
  readonly mutexOf: (stanza: Stanza) => Mutex;
}

export const repositoryOfStanza = ({ pgbackrest }: OpenedStanza, only: readonly number[]): Repository =>
  openPgbackrestRepository(pgbackrest, { only });

/** A backup may hold the Lease for hours: whoever asks tries again later. */
const waitMs = 5_000;

export const createOpenRepository =
  ({ stores, stanzas, mutexOf }: RepositoryDeps): OpenRepository =>
  async (opened, { signal, repository: key }) => {
    if (opened.kind === "ObjectStore") {
      const { store } = await stores.open(opened.object, signal);
      return { repository: openBarmanRepository(store), alone: (_purpose, held, work) => work(held) };
    }
    const { pgbackrest } = await stanzas.open(opened.object, signal);
    const mutex = mutexOf(opened.object);
    return {
      repository: openPgbackrestRepository(pgbackrest, key === undefined ? {} : { only: [key] }),
      alone: (purpose, held, work) => mutex.hold({ purpose, waitMs, signal: held }, work),
    };
  };
