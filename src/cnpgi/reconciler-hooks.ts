// The hooks around CNPG's reconcile of a Cluster. Before it makes pods, what their sidecars need must be there. We never
// ask CNPG to stop or to come back: it would do so silently and leave an old phase standing; an error is shown.
import { decodeCluster, type Cluster } from "#cnpg/cluster.ts";
import { fieldsOf, parseJson } from "#cnpg/json.ts";
import { withDeadline } from "#std/abort.ts";
import { complete } from "./capabilities.ts";
import {
  ReconcilerHooks,
  ReconcilerHooksCapabilitiesResultSchema,
  ReconcilerHooksCapability_Kind as Kind,
  ReconcilerHooksResult_Behavior as Behavior,
} from "./gen/reconciler_pb.ts";
import { service, type Service } from "./service.ts";
import { RpcError, statusOf } from "./status-code.ts";

export interface ReconcilerPorts {
  /**
   * Makes sure that the Cluster's sidecars may do their work. Called several times a minute, so it must write nothing
   * when nothing changes.
   */
  ensureCluster(cluster: Cluster, signal: AbortSignal): Promise<void>;
}

/** CNPG gives up after 30 s, and has only five connections for all Clusters. */
const preDeadlineMs = 10_000;

const proceed = { behavior: Behavior.CONTINUE } as const;

export function reconcilerHooksService(ports: ReconcilerPorts): Service {
  const advertised = complete(ReconcilerHooksCapabilitiesResultSchema, {
    reconcilerCapabilities: [{ kind: Kind.CLUSTER }],
  });
  return service(ReconcilerHooks, {
    getCapabilities: () => advertised,
    pre: async ({ resourceDefinition }, { signal }) => {
      // Only this one is sure to have a kind. For a Cluster it is the same object as cluster_definition.
      const object = parseJson("object", resourceDefinition);
      if (fieldsOf(object)["kind"] === "Cluster") await prepare(decodeCluster(object), ports, signal);
      return proceed;
    },
    post: () => proceed,
  });
}

async function prepare(cluster: Cluster, ports: ReconcilerPorts, signal: AbortSignal): Promise<void> {
  try {
    await ports.ensureCluster(cluster, withDeadline(signal, preDeadlineMs));
  } catch (error) {
    const status = statusOf(error);
    const message = `cannot prepare cluster ${cluster.metadata.name}: ${status.message}`;
    throw new RpcError(status.code, message, { cause: error });
  }
}
