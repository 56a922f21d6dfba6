// The operator's way to a stanza: the Stanza from the cache, its Secrets read one by one, pgBackRest set up for it while
// nothing of that changes. Its host names are those of the Stanza's namespace.
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stanza } from "#api/gen/stanza.ts";
import type { OpenStanza } from "#controllers/stanza/observe.ts";
import type { KubeClient } from "#kube/client.ts";
import type { Informer } from "#kube/informer.ts";
import { keyOf, keyOfObject, parseKey } from "#kube/object.ts";
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
  /** Uid of the Stanza object. */
  readonly object: string;
}

export interface OperatorStanzas {
  /** By "namespace/name". */
  readonly source: StoreSource<OperatorStanzaConfig, Pgbackrest>;
  readonly open: OpenStanza;
  close(): void;
}

/** What an earlier process of this container has left, whose commands are no more. */
export const removeFormerFolders = (): Promise<void> => rm(foldersRoot(), { recursive: true, force: true });

const foldersRoot = (): string => join(tmpdir(), "stanzas");

/** For each Stanza a folder of its own: authorities and locks of pgBackRest, which no other one of its name gets. */
const folderOf = (uid: string): string => join(foldersRoot(), uid);

export function createOperatorStanzas(client: KubeClient, stanzas: Informer<Stanza>, logger: Logger): OperatorStanzas {
  const bounded = createProcessBound();
  const source = createStoreSource<OperatorStanzaConfig, Pgbackrest>({
    load: async (name, signal) => {
      const key = parseKey(name);
      const stanza = stanzas.get(key);
      if (stanza === undefined) throw new StoreConfigError("StoreNotFound", `Stanza ${key.name} does not exist`);
      const namespace = key.namespace ?? "";
      const config = await resolveStanzaConfig(stanza, readSecretsOf(client, namespace), { signal });
      return { ...config, namespace, object: stanza.metadata.uid ?? "" };
    },
    open: async (config, { credentials }) => {
      const scratch = folderOf(config.object);
      return bounded(await openPgbackrest(config, { scratch, namespace: config.namespace, credentials }));
    },
    noun: "stanza",
    now: () => performance.now(),
    logger,
  });
  stanzas.subscribe(({ type, object }) => {
    const { uid } = object.metadata;
    if (type !== "deleted" || uid === undefined) return;
    source.forget(keyOf(keyOfObject(object)));
    rm(folderOf(uid), { recursive: true, force: true }).catch((error: unknown) =>
      logger.warn({ err: error, stanza: object.metadata.name }, "the folder of a deleted stanza was not removed"),
    );
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
