// The operator's way to a stanza: the Stanza from the cache, its Secrets read one by one, pgBackRest set up for it while
// nothing of that changes. Its host names are those of the Stanza's namespace.
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stanza } from "#api/gen/stanza.ts";
import type { OpenStanza } from "#controllers/stanza/observe.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, parseKey } from "#kube/object.ts";
import type { Logger } from "#observe/logger.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { openPgbackrest, type Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { resolveStanzaConfig } from "#repository/pgbackrest/resolve.ts";
import { StoreConfigError } from "#store/config.ts";
import { createStoreSource, type StoreSource } from "#store/refreshing.ts";
import { readSecretsOf } from "../secret-reader.ts";
import { createProcessBound } from "./process-bound.ts";

/** What distinguishes one stanza from another in this process. */
interface OperatorStanzaConfig extends StanzaConfig {
  readonly namespace: string;
  /** Of the Stanza object. */
  readonly object: string;
}

export interface OperatorStanzas {
  /** By "namespace/name". */
  readonly source: StoreSource<OperatorStanzaConfig, Pgbackrest>;
  readonly open: OpenStanza;
  close(): void;
}

export function createOperatorStanzas(client: KubeClient, stanzas: Informer<Stanza>, logger: Logger): OperatorStanzas {
  const bounded = createProcessBound();
  const source = createStoreSource<OperatorStanzaConfig, Pgbackrest>({
    load: async (name, signal) => {
      const key = parseKey(name);
      const stanza = stanzas.get(key);
      if (stanza === undefined) throw new StoreConfigError("StoreNotFound", `Stanza ${key.name} does not exist`);
      const namespace = key.namespace ?? "";
      const config = await resolveStanzaConfig(stanza, readSecretsOf(client, namespace), { signal });
      return { ...config, namespace, object: key.name };
    },
    open: async (config, { credentials }) => {
      const scratch = join(tmpdir(), "stanzas", config.namespace, config.object);
      return bounded(await openPgbackrest(config, { scratch, namespace: config.namespace, credentials }));
    },
    noun: "stanza",
    now: () => performance.now(),
    logger,
  });
  return {
    source,
    open: async ({ metadata }, signal) => {
      const name = keyOf({ namespace: metadata.namespace ?? "", name: metadata.name });
      const { store: pgbackrest, config } = await source.reload(name, { signal });
      return { pgbackrest, config };
    },
    close: () => source.close(),
  };
}
