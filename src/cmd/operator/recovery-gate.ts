// Before CNPG makes a recovery job: can the recovery target be reached from what the archive holds? A proven "no" becomes
// the error of CNPG's Pre hook, so that it stands in the Cluster's phase instead of in the logs of failing jobs; it is
// asked again each time, so that recovery goes on by itself when the archive grows. What is not known stops nothing: the
// sidecar of the job waits where it must.
import { isArchiveRecovery, type Cluster } from "#cnpg/cluster.ts";
import { readPluginConfig, type StoreReference } from "#cnpg/plugin-config.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import { previewStanzaRecovery } from "#engine/pgbackrest/preview.ts";
import { previewRecovery, type RecoveryPreview } from "#engine/restore/preview.ts";
import type { Logger } from "#observe/logger.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import { withDeadline } from "#std/abort.ts";
import { BoundedMap } from "#std/bounded-map.ts";
import type { OperatorStanzas } from "./stanzas.ts";
import type { OperatorStores } from "./stores.ts";

export interface RecoveryGate {
  /** Throws RpcError FAILED_PRECONDITION when the Cluster's recovery cannot succeed. */
  check(cluster: Cluster, signal: AbortSignal): Promise<void>;
}

/** CNPG allows hooks 30 s, but holds one of few connections meanwhile. */
const waitMs = 4_000;
/** So that of a stanza's repositories those that answer are still judged within that time. */
const infoMs = 2_000;
/** An answer is taken again within this time: the hook comes several times in a row. */
const freshMs = 8_000;
const answersMax = 100;

export interface RecoveryGateDeps {
  readonly stores: Pick<OperatorStores, "source">;
  readonly stanzas: Pick<OperatorStanzas, "source">;
  readonly logger: Logger;
}

export function createRecoveryGate({ stores, stanzas, logger }: RecoveryGateDeps): RecoveryGate {
  const answers = new BoundedMap<string, { readonly at: number; readonly preview: RecoveryPreview }>(answersMax);

  async function ask({ metadata, spec }: Cluster, from: StoreReference, signal: AbortSignal): Promise<RecoveryPreview> {
    const name = `${metadata.namespace}/${from.name}`;
    const { postgresMajor } = spec;
    const target = spec.recovery?.recoveryTarget;
    if (from.kind === "Stanza") {
      const { store: pgbackrest } = await stanzas.source.get(name, { signal });
      return await previewStanzaRecovery({ pgbackrest, target, postgresMajor, infoDeadlineMs: infoMs, signal });
    }
    const { store } = await stores.source.get(name, { signal });
    return await previewRecovery({
      repository: openBarmanRepository(store),
      server: from.serverName,
      target,
      postgresMajor,
      signal,
    });
  }

  async function preview(cluster: Cluster, signal: AbortSignal): Promise<RecoveryPreview | undefined> {
    const { recoverySource } = readPluginConfig(cluster);
    if (recoverySource?.kind !== "store") return undefined;
    const { uid = "" } = cluster.metadata;
    const known = answers.get(uid);
    if (known !== undefined && performance.now() - known.at < freshMs) return known.preview;
    const answer = await ask(cluster, recoverySource.store, signal);
    answers.set(uid, { at: performance.now(), preview: answer });
    return answer;
  }

  return {
    async check(cluster, signal) {
      if (!isArchiveRecovery(cluster) || cluster.spec.recovery === undefined) return;
      const answer = await preview(cluster, withDeadline(signal, waitMs)).catch((error: unknown) => {
        logger.info(
          { err: error, namespace: cluster.metadata.namespace, name: cluster.metadata.name },
          "recovery target not checked",
        );
        return undefined;
      });
      if (answer?.kind === "unreachable") throw new RpcError("FAILED_PRECONDITION", answer.message);
    },
  };
}
