// The sidecar's memory of its Stanzas: read from the API server, opened for the database of this instance.
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { stanzas } from "#api/kinds.ts";
import { stanzaLease } from "#api/names.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeClient } from "#kube/client.ts";
import { createLeaseMutex, processIdentity } from "#kube/lease-mutex.ts";
import type { Mutex } from "#kube/mutex.ts";
import type { Logger } from "#observe/logger.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { openPgbackrest, type Pgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { resolveStanzaConfig } from "#repository/pgbackrest/resolve.ts";
import { StoreConfigError } from "#store/config.ts";
import { createStoreSource, type StoreSource } from "#store/refreshing.ts";
import { readSecretsOf } from "../secret-reader.ts";
import type { Surroundings } from "./surroundings.ts";

export interface StanzaDeps {
  readonly client: KubeClient;
  readonly surroundings: Surroundings;
  readonly logger: Logger;
}

export type StanzaSource = StoreSource<StanzaConfig, Pgbackrest>;

/** Where the injection mounts the spool's volume in every pod and job of a Cluster that names a Stanza. */
const spoolVolume = "/spool";

/** A folder that WAL status files may be written to. */
export async function spoolDirectoryOf({ scratch }: Pick<Surroundings, "scratch">): Promise<string> {
  const isMounted = await stat(spoolVolume).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  return isMounted ? spoolVolume : join(scratch, "spool");
}

export function createStanzaSource({ client, surroundings, logger }: StanzaDeps): StanzaSource {
  const { namespace, pgdata, socketDirectory, port, scratch } = surroundings;
  return createStoreSource<StanzaConfig, Pgbackrest>({
    noun: "stanza",
    load: async (name, loading) => {
      const object = await client.get<Stanza>(stanzas, { namespace, name }, { signal: loading });
      if (object === undefined)
        throw new StoreConfigError("StoreNotFound", `Stanza ${name} does not exist in namespace ${namespace}`);
      return resolveStanzaConfig(object, readSecretsOf(client, namespace), { signal: loading });
    },
    open: async (config, { name, credentials }) => {
      // One folder for each Stanza, so that its locks hold whenever it is opened.
      const folder = join(scratch, "pgbackrest", name);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return openPgbackrest(config, {
        scratch: folder,
        database: { pgdata, socketDirectory, port },
        spoolPath: await spoolDirectoryOf(surroundings),
        credentials,
        // What somebody has asked for by the Stanza's logLevel is shown whatever the sidecar's own level is.
        onLog: ({ level, text, command }) =>
          logger[level === "warn" ? "warn" : "info"]({ stanza: name, pgbackrest: command }, text),
      });
    },
    logger,
    now: () => performance.now(),
  });
}

/** One for each Stanza, shared by all who work on it in this process. */
export function createStanzaMutexes({ client, surroundings, logger }: StanzaDeps): (stanza: string) => Mutex {
  const { namespace, pod } = surroundings;
  const identity = processIdentity(pod);
  const made = new Map<string, Mutex>();
  return (stanza) => {
    const known = made.get(stanza);
    if (known !== undefined) return known;
    const lease = { namespace, name: stanzaLease(stanza) };
    const mutex = createLeaseMutex({ client, lease, identity, logger });
    made.set(stanza, mutex);
    return mutex;
  };
}
