// Before CNPG makes a recovery job: can the recovery target be reached from what the archive holds? A proven "no" becomes
// the error of CNPG's Pre hook, so that it stands in the Cluster's phase instead of in the logs of failing jobs; it is
// asked again each time, so that recovery goes on by itself when the archive grows. What is not known stops nothing: the
// sidecar of the job waits where it must.
import { isArchiveRecovery, type Cluster } from "#cnpg/cluster.ts";
import { readPluginConfig } from "#cnpg/plugin-config.ts";
import { RpcError } from "#cnpgi/status-code.ts";
import { previewRecovery, type RecoveryPreview } from "#engine/restore/preview.ts";
import type { Logger } from "#observe/logger.ts";
import { openBarmanRepository } from "#repository/barman/repository.ts";
import { withDeadline } from "#std/abort.ts";
import type { OperatorStores } from "./stores.ts";

export interface RecoveryGate {
  /** Throws RpcError FAILED_PRECONDITION when the Cluster's recovery cannot succeed. */
  check(cluster: Cluster, signal: AbortSignal): Promise<void>;
}

/** CNPG allows hooks 30 s, but holds one of few connections meanwhile. */
const waitMs = 4_000;
/** An answer is taken again within this time: the hook comes several times in a row. */
const freshMs = 8_000;

export function createRecoveryGate({ source }: OperatorStores, logger: Logger): RecoveryGate {
  const answers = new Map<string, { readonly at: number; readonly preview: RecoveryPreview }>();

  async function preview(cluster: Cluster, signal: AbortSignal): Promise<RecoveryPreview | undefined> {
    const { recoverySource } = readPluginConfig(cluster);
    if (recoverySource?.kind !== "store" || recoverySource.store.kind !== "ObjectStore") return undefined;
    const { namespace, uid = "" } = cluster.metadata;
    const known = answers.get(uid);
    if (known !== undefined && performance.now() - known.at < freshMs) return known.preview;
    const { name, serverName } = recoverySource.store;
    const { store } = await source.get(`${namespace}/${name}`, { signal });
    const repository = openBarmanRepository(store);
    const target = cluster.spec.recovery?.recoveryTarget;
    const answer = await previewRecovery({ repository, server: serverName, target, signal });
    answers.delete(uid);
    answers.set(uid, { at: performance.now(), preview: answer });
    for (const oldest of answers.keys()) {
      if (answers.size <= 100) break;
      answers.delete(oldest);
    }
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
